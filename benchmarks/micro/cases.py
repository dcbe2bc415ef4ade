"""The cases of the microbenchmark, as `ray_perf.py` of Ray defines them.

A case is a name, what is run again and again, and how much one run counts.
This module knows nothing of this project, so that it can measure versions
of `minimr` whose modules have other names.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Case = tuple[str, Callable[[], Any], float]
GIGABYTES = 0.8  # of the large array, as Ray counts it
COUNT = max(1, multiprocessing.cpu_count() // 2)  # of actors


CUSTOM = {"custom": 100}  # for the placement groups
OPTIONS: dict[str, dict[str, Any]] = {
    "ray": {
        "address": "local",
        "resources": CUSTOM,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        "logging_level": "ERROR",
        "log_to_driver": False,
    },
    "minimr": {"address": "local", "resources": CUSTOM},
}


def rate(case: Case, seconds: float) -> float:
    """Run a case for this long; return its rate."""
    _, run, multiplier = case
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        run()
        count += 1
    return count * multiplier / took


def start_times(ray: Any, name: str) -> dict[str, float]:
    """Return the seconds from `init` to the first result, and of shutdown."""
    begun = time.perf_counter()
    ray.init(num_cpus=2, **OPTIONS[name])
    ray.get(ray.remote(lambda: 1).remote())
    first = time.perf_counter()
    ray.shutdown()
    return {
        "init to first result": first - begun,
        "shutdown": time.perf_counter() - first,
    }


def cases(ray: Any) -> Iterator[Case]:
    """Yield each case when it is its turn: its actors hold CPUs."""
    yield from object_cases(ray)
    yield from task_cases(ray)
    yield from actor_cases(ray)
    yield from async_cases(ray)
    yield from placement_cases(ray)


def object_cases(ray: Any) -> Iterator[Case]:
    """Puts, gets and waits."""
    value = ray.put(0)
    array = np.zeros(100 * 1024 * 1024, dtype=np.int64)

    @ray.remote
    def put_small() -> None:
        for _ in range(100):
            ray.put(0)

    @ray.remote
    def put_large() -> None:
        for _ in range(10):
            ray.put(np.zeros(10 * 1024 * 1024, dtype=np.int64))

    @ray.remote
    def many_refs() -> Any:
        return [ray.put(1) for _ in range(10000)]

    def multi(task: Any) -> Any:
        return ray.get([task.remote() for _ in range(10)])

    holder = many_refs.remote()
    yield "single client get calls", lambda: ray.get(value), 1
    yield "single client put calls", lambda: ray.put(0), 1
    yield "multi client put calls", lambda: multi(put_small), 1000
    yield "single client put gigabytes", lambda: ray.put(array), GIGABYTES
    yield "multi client put gigabytes", lambda: multi(put_large), 8
    yield (
        "single client get object containing 10k refs",
        lambda: ray.get(holder),
        1,
    )


def task_cases(ray: Any) -> Iterator[Case]:
    """Tasks from one client and from several."""

    @ray.remote
    def small_value() -> bytes:
        return b"ok"

    @ray.remote(num_cpus=0)
    class Client:
        def batch(self, n: int) -> None:
            ray.get([small_value.remote() for _ in range(n)])

    def batch() -> Any:
        return ray.get([small_value.remote() for _ in range(1000)])

    def wait() -> None:
        rest = [small_value.remote() for _ in range(1000)]
        for number in range(1000):
            _, rest = ray.wait(rest, fetch_local=number == 0)

    yield "single client tasks and get batch", batch, 1
    yield "single client wait 1k refs", wait, 1
    yield (
        "single client tasks sync",
        lambda: ray.get(small_value.remote()),
        1,
    )
    yield "single client tasks async", batch, 1000
    clients = [Client.remote() for _ in range(4)]
    yield (
        "multi client tasks async",
        lambda: ray.get([client.batch.remote(10000) for client in clients]),
        40000,
    )


def actor_cases(ray: Any) -> Iterator[Case]:
    """Calls of actors: one, several, from one and from several."""

    @ray.remote(num_cpus=0)
    class Actor:
        def small_value(self) -> bytes:
            return b"ok"

        def small_value_arg(self, x: Any) -> bytes:
            return b"ok"

    a = Actor.remote()
    yield "1:1 actor calls sync", lambda: ray.get(a.small_value.remote()), 1
    yield (
        "1:1 actor calls async",
        lambda: ray.get([a.small_value.remote() for _ in range(1000)]),
        1000,
    )
    yield from many_actor_cases(ray, Actor)


def client_actor(ray: Any) -> Any:
    """Make the class of actors that call other actors."""

    @ray.remote(num_cpus=0)
    class Client:
        def __init__(self, servers: list[Any]) -> None:
            self.servers = servers

        def each(self, n: int) -> None:
            calls = [s.small_value for s in self.servers for _ in range(n)]
            ray.get([call.remote() for call in calls])

        def batch_arg(self, n: int) -> None:
            x = ray.put(0)
            calls = [s.small_value_arg for s in self.servers for _ in range(n)]
            ray.get([call.remote(x) for call in calls])

    return Client


def many_actor_cases(ray: Any, actor_class: Any) -> Iterator[Case]:
    """Calls of several actors, from one client and from several."""
    b = actor_class.options(max_concurrency=16).remote()
    yield (
        "1:1 actor calls concurrent",
        lambda: ray.get([b.small_value.remote() for _ in range(1000)]),
        1000,
    )
    actors = [actor_class.remote() for _ in range(COUNT)]
    client_class = client_actor(ray)
    yield from fan_cases(ray, "actor", actors, client_class)
    clients = [client_class.remote([actor]) for actor in actors]
    yield (
        "n:n actor calls with arg async",
        lambda: ray.get([c.batch_arg.remote(1000) for c in clients]),
        1000 * COUNT,
    )


def fan_cases(
    ray: Any, kind: str, actors: list[Any], client_class: Any
) -> Iterator[Case]:
    """Make calls from one client to all actors, and from four tasks."""

    @ray.remote
    def work(actors: list[Any], n: int) -> None:
        ray.get(
            [actors[i % len(actors)].small_value.remote() for i in range(n)]
        )

    client = client_class.remote(actors)
    yield (
        f"1:n {kind} calls async",
        lambda: ray.get(client.each.remote(5000)),
        5000 * COUNT,
    )
    yield (
        f"n:n {kind} calls async",
        lambda: ray.get([work.remote(actors, 5000) for _ in range(4)]),
        20000,
    )


def async_cases(ray: Any) -> Iterator[Case]:
    """Calls of actors with async methods."""

    @ray.remote(num_cpus=0)
    class AsyncActor:
        async def small_value(self) -> bytes:
            return b"ok"

        async def small_value_with_arg(self, x: Any) -> bytes:
            return b"ok"

    a = AsyncActor.remote()
    yield (
        "1:1 async-actor calls sync",
        lambda: ray.get(a.small_value.remote()),
        1,
    )
    yield (
        "1:1 async-actor calls async",
        lambda: ray.get([a.small_value.remote() for _ in range(1000)]),
        1000,
    )
    yield (
        "1:1 async-actor calls with args async",
        lambda: ray.get(
            [a.small_value_with_arg.remote(i) for i in range(1000)]
        ),
        1000,
    )
    actors = [AsyncActor.remote() for _ in range(COUNT)]
    yield from fan_cases(ray, "async-actor", actors, client_actor(ray))


def placement_cases(ray: Any) -> Iterator[Case]:
    """Placement groups, where the version has them."""
    if not hasattr(ray.util, "placement_group"):
        return

    def create_and_remove() -> None:
        bundles = [{"custom": 0.001}]
        groups = [ray.util.placement_group(bundles) for _ in range(100)]
        for group in groups:
            group.wait(timeout_seconds=30)
        for group in groups:
            ray.util.remove_placement_group(group)

    yield "placement group create/removal", create_and_remove, 100
