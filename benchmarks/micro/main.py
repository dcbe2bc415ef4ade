"""Ray's microbenchmark on both modules, in one run, round by round.

    for each case:  round 1: ray, minimr   round 2: ray, minimr   ...

Names and definitions are those of `ray microbenchmark` (Ray 2.60,
`ray/_private/ray_perf.py`). Cases that need the Ray client are left out. The
median of the rounds is shown. Rates are per second, and count tasks, calls,
gigabytes or rounds, as Ray's do.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from benchmarks.common import machine, tables
from benchmarks.common.options import output_file
from benchmarks.common.ratios import head, row
from benchmarks.micro import show
from benchmarks.micro.cases import OPTIONS, Case, cases, rate, start_times
from benchmarks.micro.physical import copy_gigabytes, socket_rates
from minimr.system.files import atomic_writer


def resident_bytes() -> int:
    """Return the memory of all child processes, shared pages divided."""
    import psutil

    return sum(
        child.memory_full_info().pss
        for child in psutil.Process().children(recursive=True)
    )


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="a round")
@click.option("--only", default="", help="cases whose name has this text")
@output_file("--json", "Write machine and every rate.")
@output_file("--markdown", "Write the table for a document.")
def micro(
    rounds: int,
    seconds: float,
    only: str,
    json: str | None,
    markdown: str | None,
) -> None:
    """Ray's microbenchmark on Ray and on minimr, interleaved."""
    load = os.getloadavg()[0]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    modules = {name: importlib.import_module(name) for name in OPTIONS}
    single, piped = socket_rates(1.0)
    limits = {
        show.ONE_BY_ONE: single,
        "bare socket, pipelined": piped,
        show.COPY: copy_gigabytes(1.0),
    }
    times = {name: start_times(ray, name) for name, ray in modules.items()}
    idle: dict[str, int] = {}
    for name, ray in modules.items():
        before = resident_bytes()
        ray.init(num_cpus=2, **OPTIONS[name])
        ray.get(ray.remote(lambda: 1).remote())
        idle[name] = resident_bytes() - before
    head("ray", "minimr")
    both = zip(*(cases(ray) for ray in modules.values()), strict=True)
    rows = [
        compare(pair, rounds, seconds) for pair in both if only in pair[0][0]
    ]
    for name, value in limits.items():
        click.echo(f"{name:70}{value:>12,.1f}")
    for what in times["ray"]:
        one, other = times["ray"][what], times["minimr"][what]
        click.echo(f"{what + ', s':46}{one:>12.3f}{other:>12.3f}")
    megabytes = [idle[name] / 1e6 for name in modules]
    click.echo(
        f"{'idle cluster, MB':46}{megabytes[0]:>12.1f}{megabytes[1]:>12.1f}"
    )
    for ray in modules.values():
        ray.shutdown()
    found = {
        "rounds": rounds, "seconds": seconds, "rows": rows, "limits": limits,
        "times": times, "idle": idle, "load": (load, os.getloadavg()[0]),
    }  # fmt: skip
    if json:
        tables.write_json(json, "micro", **found)
    if markdown:
        with atomic_writer(markdown) as file:
            file.write(show.markdown({"machine": machine.facts(), **found}))


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
    return row(pair[0][0], ray=rates[0], minimr=rates[1])


if __name__ == "__main__":
    micro()
