"""What must hold in a long run: four cases, each with some checks.

    tasks        by the thousand: is memory bounded, and is the last tenth as
                 fast as the first?
    actors       one after another: does each return all that it had?
    references   many in one object: does a task find all of them?
    array        one for four processes: is it read where it lies?

Each case has a cluster of its own, and asks the system, not minimr, what its
processes use. Resources are freed soon, but not at once: `settled` asks again
until they are, for at most `PATIENCE_S`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import minimr as ray
from benchmarks.endurance import processes as processes
from benchmarks.endurance.work import Member, Reader, add_up, nothing

CPUS = 4
BATCH = 1000  # tasks under way at once
TENTHS = 10
READERS = 4
GROWTH = 1.1  # of the driver's memory: up to this it counts as bounded
RECORD_MB = 64  # that the node may keep about what has run
COPY_MB = 1  # of a reader's own memory, far less than an array
STORE_ROOM = 2**26  # beside the array
LOOKS = 30  # in a row that see the same: at rest
PATIENCE_S = 10.0

Tell = Callable[[str], None]


class Check(NamedTuple):
    """A number at the beginning and at the end, and whether that is good."""

    what: str
    first: float
    last: float
    good: bool


@contextmanager
def cluster(store_bytes: int | None = None) -> Iterator[int]:
    """Start a cluster; yield the process id of its node."""
    ray.init(num_cpus=CPUS, address="local", object_store_memory=store_bytes)
    try:
        yield ray.nodes()[0]["pid"]
    finally:
        ray.shutdown()


def settled(condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds, for a while; return whether it does."""
    until = time.monotonic() + PATIENCE_S
    while not (done := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return done


# ---- tasks ----


def run_tasks(count: int, least_rate: float, tell: Tell) -> list[Check]:
    """Run many tasks, a tenth of them at a time.

    Args:
        count: of tasks.
        least_rate: of the last tenth, relative to the first.
        tell: called with a line per tenth.
    """
    rates, driver, node = [], [], []
    with cluster() as node_pid:
        task = ray.remote(nothing)
        ray.get([task.remote() for _ in range(BATCH)])  # warm
        for tenth in range(1, TENTHS + 1):
            rates.append(_rate(task, count // TENTHS))
            driver.append(processes.resident_bytes(os.getpid()) / 1e6)
            node.append(processes.resident_bytes(node_pid) / 1e6)
            tell(
                f"tasks {tenth * count // TENTHS:,}: {rates[-1]:,.0f}/s, "
                f"driver {driver[-1]:.1f} MB, node {node[-1]:.1f} MB"
            )
    most, more = max(driver), max(node) - node[0]
    quick = rates[-1] >= least_rate * rates[0]
    return [
        Check("tasks/s", rates[0], rates[-1], quick),
        Check("MB of the driver", driver[0], most, most < GROWTH * driver[0]),
        Check("MB of the node", node[0], max(node), more < RECORD_MB),
    ]


def _rate(task: Any, count: int) -> float:
    begun = time.perf_counter()
    for done in range(0, count, BATCH):
        ray.get([task.remote() for _ in range(min(BATCH, count - done))])
    return count / (time.perf_counter() - begun)


# ---- actors ----


def run_actors(count: int, tell: Tell) -> list[Check]:
    """Make actors, call each and drop it."""
    with cluster() as node:
        actor = ray.remote(Member)
        pids = [_one_life(actor)]  # the first one opens what stays open
        settled(lambda: processes.have_ended(pids))
        # another worker takes the place of the first
        settled(lambda: processes.children(node) >= CPUS)
        before, tenth = at_rest(node), max(1, count // TENTHS)
        for number in range(1, count + 1):
            pids.append(_one_life(actor))
            if number % tenth == 0:
                open_here = processes.descriptors(os.getpid())
                tell(
                    f"actors {number:,}: {open_here} descriptors of the "
                    f"driver, {processes.descriptors(node)} of the node"
                )
        settled(lambda: processes.have_ended(pids))
        settled(lambda: not _excess(belongings(node), before))
        after, lives = belongings(node), len(set(pids[1:]))
    return [
        Check("processes, asked and used", count, lives, lives == count),
        *(
            Check(what, before[what], after[what], after[what] <= before[what])
            for what in before
        ),
    ]


def _one_life(actor: Any) -> int:
    return int(ray.get(actor.remote().pid.remote()))


def at_rest(node: int) -> dict[str, int]:
    """Return what is open, once it has stayed the same for a while.

    A worker that takes another's place opens its files one after the other.
    """
    looks = [belongings(node)]

    def is_same() -> bool:
        looks.append(belongings(node))
        last = looks[-LOOKS:]
        return len(last) == LOOKS and all(look == last[0] for look in last)

    settled(is_same)
    return looks[-1]


def belongings(node: int) -> dict[str, int]:
    """Return how much a driver, its node and the system have open."""
    me = os.getpid()
    return {
        "children of the node": processes.children(node),
        "descriptors of the driver": processes.descriptors(me),
        "descriptors of the node": processes.descriptors(node),
        "shared mappings of the driver": processes.shared_mappings(me),
        "shared mappings of the node": processes.shared_mappings(node),
        "files of minimr in /dev/shm": processes.shared_files(),
    }


def _excess(now: dict[str, int], before: dict[str, int]) -> bool:
    return any(now[what] > before[what] for what in before)


# ---- references ----


def run_references(count: int, tell: Tell) -> list[Check]:
    """Put many references into one object; read all of them in a task."""
    with cluster():
        refs = [ray.put(number) for number in range(count)]
        outer = ray.put([refs])
        del refs  # the object alone keeps them now
        tell(f"references {count:,}: in one object")
        begun = time.perf_counter()
        total = ray.get(ray.remote(add_up).remote(outer))
        took = time.perf_counter() - begun
        tell(f"references {count:,}: read in {took:.2f} s")
    right = count * (count - 1) // 2
    return [Check("sum, right and found", right, total, total == right)]


# ---- one array ----


def run_array(size: int, tell: Tell) -> list[Check]:
    """Put one array; read it in four processes; free it."""
    with cluster(size + STORE_ROOM):
        readers = [ray.remote(Reader).remote() for _ in range(READERS)]
        ray.get([reader.__ray_ready__.remote() for reader in readers])
        empty = stored_bytes()
        ref = ray.put(np.arange(size // 8))
        settled(lambda: stored_bytes() >= empty + size)
        full = stored_bytes()
        tell(f"array of {size / 1e6:,.0f} MB: in the store")
        seen = ray.get([reader.read.remote(ref) for reader in readers])
        tell(f"array of {size / 1e6:,.0f} MB: read {len(seen)} times")
        del ref
        settled(lambda: stored_bytes() == empty)
        after = stored_bytes()
    right = (size // 8) * (size // 8 - 1) // 2
    sums = [total for total, _, _ in seen]
    own = [max(values) / 1e6 for values in list(zip(*seen, strict=True))[1:]]
    in_place = max(b - a for _, a, b in seen) / 1e6 < COPY_MB
    held, left = (full - empty) / 1e6, (after - empty) / 1e6
    return [
        Check("right sums", READERS, sums.count(right), set(sums) == {right}),
        Check("MB of a reader's own, most", *own, in_place),
        Check("MB in the store, full", size / 1e6, held, held >= size / 1e6),
        Check("MB in the store, freed", 0, left, left == 0),
    ]


def stored_bytes() -> int:
    """Return how much of the node's store is in use."""
    name = "object_store_memory"
    free = ray.available_resources().get(name, 0.0)
    return int(ray.cluster_resources()[name] - free)
