"""What must hold after every step of a process, whatever has gone wrong.

    RULES: {kind of part: its rules}    rules(part, memory) ──> what is broken

To write one: a function that looks at the part, and yields the rule, in the
words of the file that it comes from, if it does not hold. `memory` is what
it likes to remember of the step before. Those of rung 2 are in
`core_invariants.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from minimr.simulation import core_invariants
from minimr.sockets.cluster.coordinator import Coordinator, Run
from minimr.sockets.parameter_server import Server

Memory = dict[Any, Any]


def of_coordinator(coordinator: Coordinator, memory: Memory) -> Iterator[str]:
    """Rules of `tracker.py` and `coordinator.py`."""
    members = {member.id: member for member in coordinator._members}
    for run in coordinator._runs.values():
        yield from _of_run(run, members, memory)
    for member in members.values():
        attempt = member.attempt
        run_of = attempt and coordinator._runs.get(attempt.job_id)
        if attempt is None or run_of is None:
            continue
        task = run_of.tracker.task(attempt.task)
        runs = member.id in task.attempts
        if not runs and member.cancelled_at is None:
            yield f"{attempt.task} runs, and its result would be dropped"


def _of_run(
    run: Run, members: dict[int, Any], memory: Memory
) -> Iterator[str]:
    for task in (*run.tracker.maps, *run.tracker.reduces):
        holder, key = task.holder, (run.id, task.id)
        if not (set(task.attempts) | ({holder} - {None})) <= set(members):
            yield f"what a worker made dies with it: {task.id}"
        if holder is not None and task.attempts:
            yield f"a task that is done is not in progress: {task.id}"
        before = memory.get(key)
        memory[key] = holder
        if before != holder is not None and before in members:
            yield f"each output counts once: {task.id}"
        if len(task.attempts) > 2:
            yield f"a task has one backup: {task.id}"


def of_server(server: Server, memory: Memory) -> Iterator[str]:
    """Rules of `rounds.py`."""
    rounds = server._rounds
    bound = rounds._consistency.bound
    if max(rounds.stats.lead, default=0) > bound:
        yield "no reader is beyond its staleness"
    clocks = dict(rounds.clocks)
    before = memory.get("clocks", (id(rounds), {}, 0))
    memory["clocks"] = id(rounds), clocks, rounds.stats.pushes
    if before[0] == id(rounds) and not rounds.stats.restarts:
        more = sum(
            clock - before[1].get(worker, clock)
            for worker, clock in clocks.items()
        )
        pushes = rounds.stats.pushes - before[2]
        left = len(before[1].keys() - clocks.keys())
        if not more <= pushes <= more + left:
            yield "a push counts once"
    slowest = min(clocks.values(), default=0)
    if rounds._waiting and clocks and slowest >= rounds._round:
        yield "a round in which all have pushed is not kept"


RULES: dict[type[Any], Callable[[Any, Memory], Iterator[str]]] = {
    Coordinator: of_coordinator,
    Server: of_server,
    **core_invariants.RULES,
}
