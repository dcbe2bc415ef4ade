"""A program for each pattern of Ray's documents, and one that does better.

PATTERNS: {what `why` names: (a program of which it does, one of which not)}

https://docs.ray.io/en/latest/ray-core/patterns/index.html
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

CPUS = 3
STORE_BYTES = 100_000_000
S = 0.1  # a step of work
MB = 1_000_000

Program = Callable[[Any], Any]


def work(seconds: float = S) -> None:
    """Take that long."""
    time.sleep(seconds)


def naps(api: Any) -> Any:
    """Return a task that takes a step."""

    @api.remote
    def nap(number: Any = 0, *rest: Any) -> Any:
        work()
        return number

    return nap


def all_at_once(api: Any) -> None:
    """Submit all, and then get all."""
    nap = naps(api)
    api.get([nap.remote(n) for n in range(6)])


# ---- patterns ----


def nested_tasks(api: Any) -> None:
    @api.remote
    def leaf(number: int) -> int:
        work()
        return number

    @api.remote
    def tree(number: int) -> int:
        return sum(api.get([leaf.remote(n) for n in range(number)]))

    api.get([tree.remote(2) for _ in range(2)])


def generator(api: Any) -> None:
    @api.remote(num_returns="streaming")
    def parts(number: int) -> Iterator[Any]:
        for _ in range(number):
            yield np.zeros(MB // 8)

    for ref in parts.remote(3):
        api.get(ref)


def list_of_results(api: Any) -> None:
    @api.remote
    def whole(number: int) -> Any:
        return [np.zeros(100) for _ in range(number)]

    api.get(whole.remote(3))


def wait_limits(api: Any) -> None:
    nap, under_way = naps(api), []
    for number in range(12):
        if len(under_way) > 3:
            done, under_way = api.wait(under_way)
            api.get(done)
        under_way.append(nap.remote(number))
    api.get(under_way)


def wait_for_all(api: Any) -> None:
    nap = naps(api)
    rest = [nap.remote(n) for n in range(6)]
    while rest:
        done, rest = api.wait(rest)
        api.get(done)


def resources_limit(api: Any) -> None:
    @api.remote(num_cpus=2)
    def large(number: int) -> int:
        work()
        return number

    api.get([large.remote(n) for n in range(4)])


def overlapping_calls(api: Any) -> None:
    @api.remote
    class Reader:
        async def read(self, number: int) -> int:
            await asyncio.sleep(2 * S)
            return number

    reader = Reader.remote()
    api.get([reader.read.remote(n) for n in range(4)])


def calls_in_turn(api: Any) -> None:
    @api.remote
    class Reader:
        def read(self, number: int) -> int:
            work(S / 2)
            return number

    reader = Reader.remote()
    api.get([reader.read.remote(n) for n in range(4)])


def shared_actor(api: Any) -> None:
    @api.remote(num_cpus=0)
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def add(self) -> int:
            self.value += 1
            return self.value

    @api.remote
    def count(counter: Any) -> None:
        work()
        api.get(counter.add.remote())

    counter = Counter.remote()
    api.get([count.remote(counter) for _ in range(3)])


def tree_of_actors(api: Any) -> Any:
    @api.remote(num_cpus=0)
    class Worker:
        def work(self) -> None:
            work()

    @api.remote(num_cpus=0)
    class Supervisor:
        def __init__(self) -> None:
            self.workers = [Worker.remote() for _ in range(2)]

        def work(self) -> None:
            api.get([worker.work.remote() for worker in self.workers])

    supervisor = Supervisor.remote()
    api.get(supervisor.work.remote())
    return supervisor  # it knows whom it has called


def actors_of_the_driver(api: Any) -> None:
    @api.remote(num_cpus=0)
    class Worker:
        def work(self) -> None:
            work()

    api.get(
        [worker.work.remote() for worker in [Worker.remote() for _ in "ab"]]
    )


def queue(api: Any) -> Any:
    """Return an actor that takes its time for a piece of work."""

    @api.remote(num_cpus=0)
    class Queue:
        def take(self) -> int:
            work(2 * S)
            return 1

    return Queue.remote()


def piece_by_piece(api: Any) -> None:
    @api.remote
    def worker(pieces: Any) -> None:
        for _ in range(8):
            api.get(pieces.take.remote())
            work(2 * S)

    api.get(worker.remote(queue(api)))


def pipeline(api: Any) -> None:
    @api.remote
    def worker(pieces: Any) -> None:
        ahead = pieces.take.remote()
        for _ in range(8):
            api.get(ahead)
            ahead = pieces.take.remote()
            work(3 * S)

    api.get(worker.remote(queue(api)))


# ---- anti-patterns, each with its better form ----


def returns_a_put(api: Any) -> None:
    @api.remote
    def made() -> Any:
        return api.put(np.zeros(10))

    api.get(api.get(made.remote()))


def returns_a_reference(api: Any) -> None:
    nap = naps(api)

    @api.remote
    def made() -> Any:
        return nap.remote(1)

    api.get(api.get(made.remote()))


def handed_in_a_list(api: Any) -> None:
    nap = naps(api)

    @api.remote
    def total(refs: Any) -> int:
        return sum(api.get(refs))

    @api.remote
    def slow() -> int:
        work(6 * S)
        return 1

    api.get(total.remote([slow.remote(), nap.remote(1)]))


def handed_one_by_one(api: Any) -> None:
    nap = naps(api)

    @api.remote
    def total(*numbers: int) -> int:
        return sum(numbers)

    api.get(total.remote(*[nap.remote(n) for n in range(2)]))


def get_in_a_loop(api: Any) -> None:
    nap = naps(api)
    for number in range(6):
        api.get(nap.remote(number))


def one_after_the_other(api: Any) -> None:
    nap, value = naps(api), 1.5
    for _ in range(6):
        value = api.get(nap.remote(value))


def fetched_for_nothing(api: Any) -> None:
    @api.remote
    def make() -> Any:
        return np.ones(MB)

    @api.remote
    def total(array: Any) -> float:
        return float(array.sum())

    api.get(total.remote(api.get(make.remote())))


def never_fetched(api: Any) -> None:
    @api.remote
    def make() -> Any:
        return np.ones(MB)

    @api.remote
    def total(array: Any) -> float:
        return float(array.sum())

    api.get(total.remote(make.remote()))


def in_order(api: Any) -> None:
    @api.remote
    def nap(seconds: float) -> None:
        work(seconds)

    refs = [nap.remote(seconds) for seconds in (8 * S, S, S, S, S)]
    for ref in refs:
        api.get(ref)
        work(2 * S)


def as_they_come(api: Any) -> None:
    @api.remote
    def nap(seconds: float) -> None:
        work(seconds)

    rest = [nap.remote(seconds) for seconds in (8 * S, S, S, S, S)]
    while rest:
        (done,), rest = api.wait(rest)
        api.get(done)
        work(2 * S)


def everything_at_once(api: Any) -> None:
    @api.remote
    def make() -> Any:
        return np.zeros(10 * MB, np.uint8)

    api.get([make.remote() for _ in range(7)])


def batch_by_batch(api: Any) -> None:
    @api.remote
    def make() -> Any:
        return np.zeros(10 * MB, np.uint8)

    for _ in range(3):
        api.get([make.remote() for _ in range(2)])


def too_fine(api: Any) -> None:
    @api.remote
    def double(number: int) -> int:
        return 2 * number

    api.get([double.remote(n) for n in range(60)])


def in_batches(api: Any) -> None:
    @api.remote
    def double(numbers: range) -> list[int]:
        return [2 * number for number in numbers]

    api.get([double.remote(range(n, n + 20)) for n in range(0, 60, 20)])


def defined_in_a_loop(api: Any) -> None:
    refs = []
    for number in range(4):

        @api.remote
        def double(x: int) -> int:
            return 2 * x

        refs.append(double.remote(number))
    api.get(refs)


def with_options(api: Any) -> None:
    nap = naps(api)
    api.get([nap.options(num_cpus=1).remote(n) for n in range(4)])


def by_value(api: Any) -> None:
    nap, array = naps(api), np.zeros(MB // 8)
    api.get([nap.remote(0, array) for _ in range(4)])


def by_reference(api: Any) -> None:
    nap, ref = naps(api), api.put(np.zeros(MB // 8))
    api.get([nap.remote(0, ref) for _ in range(4)])


def large_closure(api: Any) -> None:
    array = np.zeros(MB)

    @api.remote
    def length() -> int:
        return len(array)

    api.get([length.remote() for _ in range(2)])


def small_closure(api: Any) -> None:
    ref = api.put(np.zeros(MB))

    @api.remote
    def length(array: Any) -> int:
        return len(array)

    api.get([length.remote(ref) for _ in range(2)])


def global_variable(api: Any) -> None:
    limit = 3

    @api.remote
    class Adder:
        def add(self) -> int:
            return limit + 1

    adder = Adder.remote()
    assert api.get(adder.add.remote()) == 4
    limit = 4
    assert api.get(adder.add.remote()) == 4


def constant(api: Any) -> None:
    limit = 3

    @api.remote
    class Adder:
        def add(self, more: int) -> int:
            return limit + more

    adder = Adder.remote()
    api.get([adder.add.remote(n) for n in range(3)])


def own_way(api: Any) -> None:
    ref = api.put(1)

    @api.remote
    def read() -> Any:
        return api.get(ref)

    api.get(read.remote())


def usual_way(api: Any) -> None:
    @api.remote
    def read(refs: Any) -> Any:
        return api.get(refs)

    api.get(read.remote([api.put(1)]))


def forks(api: Any) -> None:
    @api.remote
    def forked() -> int:
        child = os.fork()
        if child == 0:
            time.sleep(5 * S)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    api.get(forked.remote())


def new_program(api: Any) -> None:
    @api.remote
    def started() -> int:
        return os.spawnvp(os.P_WAIT, "sleep", ["sleep", str(3 * S)])

    api.get(started.remote())


# In the order of Ray's documents.
PATTERNS: dict[str, tuple[Program, Program]] = {
    "nested tasks": (nested_tasks, all_at_once),
    "a generator": (generator, list_of_results),
    "wait limits what is pending": (wait_limits, wait_for_all),
    "resources limit what runs at once": (resources_limit, all_at_once),
    "calls of an actor overlap": (overlapping_calls, calls_in_turn),
    "an actor is shared": (shared_actor, calls_in_turn),
    "a tree of actors": (tree_of_actors, actors_of_the_driver),
    "the next piece is fetched ahead": (pipeline, piece_by_piece),
    "a task waits for each piece": (piece_by_piece, pipeline),
    "a task returns what it has put": (returns_a_put, returns_a_reference),
    "a task gets its arguments": (handed_in_a_list, handed_one_by_one),
    "a get in a loop": (get_in_a_loop, one_after_the_other),
    "a result is fetched for nothing": (fetched_for_nothing, never_fetched),
    "results are taken in the order of their tasks": (in_order, as_they_come),
    "too much is fetched at once": (everything_at_once, batch_by_batch),
    "tasks are too small": (too_fine, in_batches),
    "a function is defined again and again": (defined_in_a_loop, with_options),
    "a large argument is passed again and again": (by_value, by_reference),
    "a closure is large": (large_closure, small_closure),
    "a global variable is shared": (global_variable, constant),
    "a reference goes its own way": (own_way, usual_way),
    "a worker forks": (forks, new_program),
}
