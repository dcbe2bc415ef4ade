"""What must hold in the processes of rung 2, whatever has gone wrong.

    RULES   of one part, after every fourth step of these processes
    EVENTS  of something that a process does, at that moment
    leased_once, not_freed, is_kept
            of what several processes know, after every 16th step

`memory` is what a rule likes to remember: of a part, of an event in the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from minimr.core import messages as m
from minimr.core.control.actors import Phase
from minimr.core.control.store import Control
from minimr.core.node.arena import rounded
from minimr.core.node.node import Node
from minimr.core.node.worker_pool import WorkerState
from minimr.core.process.executor import Executor
from minimr.core.process.records import Queue, Task
from minimr.core.process.runtime import Runtime
from minimr.core.process.task_io import ArgumentLost

Memory = dict[Any, Any]
# {address: a node, or the driver or worker}, of the processes that live
Living = Mapping[tuple[str, int], Any]
MAKER = 8  # bytes of a task's id that say whose it is


def of_node(node: Node, memory: Memory) -> Iterator[str]:
    """Rules of `leasing.py`, `resources.py` and `object_store.py`."""
    leases = [*node.leasing.leases.values()]
    pool = node.pool
    kept = defaultdict(float, pool.available)  # and what is leased of each
    for lease in leases:
        for name, amount in lease.hold:
            kept[name] += amount
        for name, amount in lease.cpus() if lease.blocked else ():
            kept[name] -= amount
    for bundles in node.bundles._taken.values():
        for amounts, _ in bundles:
            for name, amount in amounts:
                kept[name] += amount
    for name, total in pool.total.items():
        left = pool.available[name]
        if abs(kept[name] - total) > 1e-6:
            yield f"what is left and what is leased are all there is: {name}"
        if left < 0 and m.base(name) != "CPU":  # a wait that is over takes it
            yield f"nobody has more than there is: {name}"
    used = [lease.worker.pid for lease in leases if lease.worker is not None]
    if len(used) != len(set(used)):
        yield "a worker has one lease at a time"
    for worker in node.workers.those(WorkerState.LEASED):
        if worker.pid not in used:
            yield "a worker without a lease is idle"
    stored = [*node.store.objects.values(), *node.store._former]
    sizes = [rounded(each.size) for each in stored if each.in_memory()]
    if sum(sizes) != node.store.arena.used:
        yield "the store has room for all but its objects"
    for each in stored:
        if each.freed and each.sealed and not each.pins:
            yield "an object that is freed goes with its last pin"


def of_runtime(runtime: Runtime, memory: Memory) -> Iterator[str]:
    """Rules of `tasks.py`, `leases.py` and `actor_calls.py`."""
    seen: set[bytes] = set()
    leases = runtime.leases
    for queue in (*leases.queues, *runtime.actors.queues.values()):
        for task in _tasks_of(queue):
            if task.id in seen:
                yield f"a task is in one place at a time: {task.name}()"
            seen.add(task.id)
        if queue.shape is None and queue.ordered:
            calls = [t.id for t in _tasks_of(queue) if not t.attempt]
            if calls != sorted(calls):
                yield "calls of an actor keep the order of their caller"
    for task in runtime.tasks.live.values():
        if not task.waits:
            yield f"a task that has its result is over: {task.name}()"
        elif task.ready and task.id not in seen and task.queue is not None:
            yield f"a task that can run is in a queue: {task.name}()"
    for peer, lease in leases.by_peer.items():
        if lease.peer is not peer or lease not in lease.queue.leases:
            yield "a lease is known to its queue"


def _tasks_of(queue: Queue) -> Iterator[Task]:
    for lease in queue.leases:
        yield from lease.inflight.values()
    yield from queue.tasks


def of_control(control: Control, memory: Memory) -> Iterator[str]:
    """Rules of `control/actors.py`."""
    table = control.actors.table
    alive = [a.worker for a in table.values() if a.phase is Phase.ALIVE]
    if len(alive) != len(set(alive)):
        yield "a worker is one actor"
    for id in control.actors._names.values():
        if id not in table or table[id].phase is Phase.DEAD:
            yield "a name belongs to an actor that is not dead"
    for actor in table.values():
        most = actor.spec.max_restarts
        if 0 <= most < actor.restarts and actor.phase is not Phase.DEAD:
            yield f"an actor starts again as often as it may: {actor}"


RULES: dict[type[Any], Callable[[Any, Memory], Iterator[str]]] = {
    Node: of_node,
    Runtime: of_runtime,
    Control: of_control,
}


def begins(
    memory: Memory, process: int, executor: Executor, now: Any
) -> Iterator[str]:
    """Rules of `leases.py` and `executor.py`: a push is run once."""
    attempt = now.task, now.attempt
    if attempt in memory:
        yield f"an attempt of a task begins once: {now.name}()"
    memory[attempt], memory[process] = True, attempt
    in_turn = not executor.threads and executor.loop is None
    if executor.actor is not None and in_turn and not now.attempt:
        caller = process, now.task[:MAKER]
        if memory.get(caller, b"") > now.task:
            yield f"calls run in the order of their caller: {now.name}()"
        memory[caller] = now.task


def goes_back(memory: Memory, process: int, *lost: Any) -> Iterator[str]:
    """A task whose argument is lost goes back, and begins again."""
    memory.pop(memory.get(process), None)
    yield from ()


# {what is done by whom: its rules}
EVENTS: dict[tuple[type[Any], str], Callable[..., Iterator[str]]] = {
    (Executor, "_begin"): begins,
    (ArgumentLost, "__init__"): goes_back,
}


def leased_once(living: Living) -> Iterator[str]:
    """Rule 4 of `leasing.py`."""
    leased = set()
    for runtime in _runtimes(living):
        for lease in runtime.leases.by_peer.values():
            if lease.node is None:
                continue
            worker = lease.peer.data.address
            if worker in leased:
                yield f"a worker is leased to one owner: {worker}"
            leased.add(worker)


def not_freed(living: Living) -> Iterator[str]:
    """Rule 2 of `ownership.py`, in the stores.

    While no link is broken: a store that is cut off from an owner takes it
    for dead. And while no store is full: one drops copies of what others
    have, and the owner hears of it when somebody asks for one in vain.
    """
    for runtime in _runtimes(living):
        for id, entry in runtime.objects.table.items():
            if entry.handles <= 0 or entry.owner is not None:
                continue
            value = entry.value
            if not isinstance(value, m.Stored):
                continue
            nodes = [living.get(place) for place in value.places]
            if nodes and None not in nodes and not any(_has(nodes, id)):
                yield f"an object with a reference is not freed: {id.hex()}"


def _has(nodes: list[Any], id: bytes) -> Iterator[bool]:
    for node in nodes:
        stored = node.store.objects.get(id)
        yield stored is not None and not stored.freed


def is_kept(living: Living) -> Iterator[str]:
    """Rule 3 of `ownership.py`.

    While nobody has died and no link is broken: who does may have passed on
    what the owner does not know of.
    """
    for runtime in _runtimes(living):
        for id, entry in runtime.objects.table.items():
            if entry.owner is None or entry.handles <= 0:
                continue
            owner = living.get(entry.owner)
            if owner is not None and id not in owner.objects.table:
                yield f"its owner keeps what a process borrows: {id.hex()}"


def _runtimes(living: Living) -> list[Runtime]:
    return [part for part in living.values() if isinstance(part, Runtime)]
