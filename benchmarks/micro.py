"""Ray's microbenchmark on both modules, in one run, round by round.

    for each case:  round 1: ray, minimr   round 2: ray, minimr   ...

Names and definitions are those of `ray microbenchmark` (Ray 2.60,
`ray/_private/ray_perf.py`); what is left out there needs placement groups
or the Ray client. The middle one of the rounds is shown. Rates are per
second, and count tasks, calls, gigabytes or rounds as Ray's do.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np

from benchmarks.physical import copy_gigabytes, socket_rates

Case = tuple[str, Callable[[], Any], float]
GIGABYTES = 0.8  # of the large array, as Ray counts it
OPTIONS = {
    "ray": {
        "address": "local",
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        "logging_level": "ERROR",
        "log_to_driver": False,
    },
    "minimr": {"address": "local"},
}


def cases(ray: Any) -> Iterator[Case]:
    """Make each case when its turn has come: actors hold CPUs."""
    yield from object_cases(ray)
    yield from task_cases(ray)
    yield from actor_cases(ray)
    yield from async_cases(ray)


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

    @ray.remote
    def work(actors: list[Any], n: int) -> None:
        ray.get(
            [actors[i % len(actors)].small_value.remote() for i in range(n)]
        )

    a = Actor.remote()
    count = max(1, multiprocessing.cpu_count() // 2)
    yield "1:1 actor calls sync", lambda: ray.get(a.small_value.remote()), 1
    yield (
        "1:1 actor calls async",
        lambda: ray.get([a.small_value.remote() for _ in range(1000)]),
        1000,
    )
    b = Actor.options(max_concurrency=16).remote()
    yield (
        "1:1 actor calls concurrent",
        lambda: ray.get([b.small_value.remote() for _ in range(1000)]),
        1000,
    )
    actors = [Actor.remote() for _ in range(count)]
    client = Client.remote(actors)
    yield (
        "1:n actor calls async",
        lambda: ray.get(client.each.remote(5000)),
        5000 * count,
    )
    yield (
        "n:n actor calls async",
        lambda: ray.get([work.remote(actors, 5000) for _ in range(4)]),
        20000,
    )
    clients = [Client.remote([actor]) for actor in actors]
    yield (
        "n:n actor calls with arg async",
        lambda: ray.get([c.batch_arg.remote(1000) for c in clients]),
        1000 * count,
    )


def async_cases(ray: Any) -> Iterator[Case]:
    """Calls of actors with async methods."""

    @ray.remote(num_cpus=0)
    class AsyncActor:
        async def small_value(self) -> bytes:
            return b"ok"

        async def small_value_with_arg(self, x: Any) -> bytes:
            await asyncio.sleep(0)
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


def rate(case: Case, seconds: float) -> float:
    """Run a case for so long; give its rate."""
    _, run, multiplier = case
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        run()
        count += 1
    return count * multiplier / took


def start_times(ray: Any, name: str) -> dict[str, float]:
    """Time from `init` to the first result, and the shutdown, in seconds."""
    begun = time.perf_counter()
    ray.init(num_cpus=2, **OPTIONS[name])
    ray.get(ray.remote(lambda: 1).remote())
    first = time.perf_counter()
    ray.shutdown()
    return {
        "init to first result": first - begun,
        "shutdown": time.perf_counter() - first,
    }


def resident_bytes() -> int:
    """Add up the memory of all child processes, shared pages split."""
    import psutil

    return sum(
        child.memory_full_info().pss
        for child in psutil.Process().children(recursive=True)
    )


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="a round")
@click.option("--only", default="", help="cases whose name has this text")
@click.option("--json", "path", type=click.Path(), help="write the rows")
def micro(rounds: int, seconds: float, only: str, path: str | None) -> None:
    """Ray's microbenchmark on Ray and on minimr, interleaved."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    modules = {name: importlib.import_module(name) for name in OPTIONS}
    single, piped = socket_rates(1.0)
    limits = {
        "bare socket, one by one": single,
        "bare socket, pipelined": piped,
        "memory copy GB/s": copy_gigabytes(1.0),
    }
    times = {name: start_times(ray, name) for name, ray in modules.items()}
    idle: dict[str, int] = {}
    for name, ray in modules.items():
        before = resident_bytes()
        ray.init(num_cpus=2, **OPTIONS[name])
        ray.get(ray.remote(lambda: 1).remote())
        idle[name] = resident_bytes() - before
    click.echo(f"{'':46}{'ray':>12}{'minimr':>12}{'ratio':>8}")
    rows = []
    both = zip(*(cases(ray) for ray in modules.values()), strict=True)
    for pair in both:
        if only in pair[0][0]:
            rows.append(compare(pair, rounds, seconds))
    for name, value in limits.items():
        click.echo(f"{name:70}{value:>12,.1f}")
    for what in times["ray"]:
        row = (times["ray"][what], times["minimr"][what])
        click.echo(f"{what + ', s':46}{row[0]:>12.3f}{row[1]:>12.3f}")
    megabytes = [idle[name] / 1e6 for name in modules]
    click.echo(
        f"{'idle cluster, MB':46}{megabytes[0]:>12.1f}{megabytes[1]:>12.1f}"
    )
    for ray in modules.values():
        ray.shutdown()
    if path:
        result = {"rows": rows, "limits": limits, "times": times, "idle": idle}
        with open(path, "w") as file:
            json.dump(result, file, indent=1)


def compare(
    pair: tuple[Case, ...], rounds: int, seconds: float
) -> dict[str, Any]:
    """Run one case on both modules in turn, and print its row."""
    rates: list[list[float]] = [[], []]
    for case in pair:
        rate(case, 0.2)  # warm
    for _ in range(rounds):
        for index, case in enumerate(pair):
            rates[index].append(rate(case, seconds))
    ray, minimr = map(statistics.median, rates)
    name = pair[0][0]
    ratio = minimr / ray
    click.echo(f"{name:46}{ray:>12,.1f}{minimr:>12,.1f}{ratio:>7.1f}x")
    return {"name": name, "ray": rates[0], "minimr": rates[1], "ratio": ratio}


if __name__ == "__main__":
    micro()
