"""`python -m benchmarks parameter-server`: pushes and pulls, and rounds.

for each size:      round 0, 1, ...: bare socket, sockets, ray, and calls of
                    an actor that does nothing, in an order of its own; one
                    array, one worker, one server
for each N and K:   the same for a synchronous round of N worker processes
                    on K servers
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import click
import numpy as np

from benchmarks.common import tables
from benchmarks.common.options import AT_LEAST_ONE, output_file, some_of, tell
from benchmarks.common.timing import Outcome, Sample, Spread, interleave
from benchmarks.parameter_server.cases import (
    ALONE,
    BARE,
    RUNGS,
    BareSocket,
    CallAlone,
    Rung,
    sample,
    start_clusters,
    time_rounds,
)
from minimr.ladder import WITH_VERBS

SIZES = {
    "4KB": 2**12,
    "64KB": 2**16,
    "1MB": 2**20,
    "16MB": 2**24,
    "64MB": 2**26,
    "256MB": 2**28,
}
HEADS = (
    "array", "who", "pushes/s", "min-max", "MB/s", "of bare",
    "pulls/s", "min-max", "MB/s", "of bare",
)  # fmt: skip
ARRAYS, ARRAY_BYTES = 8, 2**19  # the weights of the rounds


@click.command()
@click.option("--rounds", default=5, show_default=True, type=AT_LEAST_ONE)
@click.option("--seconds", default=0.3, show_default=True, help="A sample.")
@some_of("--rungs", RUNGS)
@some_of("--sizes", SIZES)
@click.option("--workers", default=4, show_default=True, type=AT_LEAST_ONE)
@click.option("--shards", default=2, show_default=True, type=AT_LEAST_ONE)
@click.option("--seed", default=0, show_default=True, help="Of the orders.")
@output_file("--json", "Write machine and every measurement.")
def parameter_server(**chosen: Any) -> None:
    """Time pushes, pulls and rounds of parameter servers."""
    clusters = start_clusters(chosen["rungs"])
    try:
        moved = {size: _move(size, chosen) for size in chosen["sizes"]}
        tables.show(
            f"one worker, one server, median of {chosen['rounds']} rounds",
            HEADS,
            [row for size in moved for row in rows_of(size, moved[size])],
            [
                "A push is applied (SGD) before it is answered; the call "
                "alone: an actor is handed the array, and does nothing."
            ],
        )
        rounds = _time_all_rounds(chosen)
    finally:
        for api in clusters:
            api.shutdown()
    if chosen["json"]:
        tables.write_json(
            chosen["json"],
            "parameter-server",
            options={k: v for k, v in chosen.items() if k != "json"},
            moves=[
                {
                    "array_bytes": SIZES[size],
                    "who": measurement.contender,
                    "round": measurement.round,
                    **measurement.sample.seconds,
                }
                for size in moved
                for measurement in moved[size].measurements
            ],
            rounds=rounds,
        )


def _move(size: str, chosen: dict[str, Any]) -> Outcome:
    tell(f"arrays of {size}")
    with ExitStack() as stack:
        movers: dict[str, Any] = {BARE: BareSocket(SIZES[size])}
        stack.enter_context(closing(movers[BARE]))
        for rung in chosen["rungs"]:
            movers[rung] = Rung(rung, SIZES[size])
            stack.enter_context(closing(movers[rung]))
            if rung in WITH_VERBS:
                alone = CallAlone(rung, SIZES[size])
                movers[rung + ALONE] = stack.enter_context(closing(alone))
        contenders: dict[str, Callable[[], Sample]] = {
            name: partial(sample, mover, chosen["seconds"])
            for name, mover in movers.items()
        }
        return interleave(contenders, chosen["rounds"], chosen["seed"], tell)


def rows_of(size: str, outcome: Outcome) -> list[list[str]]:
    """Return a row for each who has moved arrays of a size."""
    names = list(dict.fromkeys(m.contender for m in outcome.measurements))
    bare = {w: outcome.spread(BARE, w).median for w in ("push", "pull")}
    rows = []
    order = [BARE, *(r + what for r in RUNGS for what in ("", ALONE))]
    for name in sorted(names, key=order.index):
        row = [size if name == BARE else "", name]
        for what in ("push", "pull"):
            took = outcome.spread(name, what)
            row += [
                _rate(took.median),
                f"{_rate(took.high)}-{_rate(took.low)}",
                f"{SIZES[size] / took.median / 1e6:,.0f}",
                tables.ratio(bare[what] / took.median),
            ]
        rows.append(row)
    return rows


def _rate(seconds: float) -> str:
    return f"{1 / seconds:,.0f}" if seconds < 0.1 else f"{1 / seconds:,.1f}"


def _time_all_rounds(chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """Time rounds of 1, 2, 4, ... workers on 1, 2, 4, ... servers."""
    weights = {
        f"layer{number}": np.ones(ARRAY_BYTES // 4, np.float32)
        for number in range(ARRAYS)
    }
    found: list[dict[str, Any]] = []
    rows = []
    for workers in _doubling(chosen["workers"]):
        for shards in _doubling(chosen["shards"]):
            tell(f"{workers} workers, {shards} servers")
            contenders: dict[str, Callable[[], Sample]] = {
                rung: partial(time_rounds, rung, weights, workers, shards)
                for rung in chosen["rungs"]
            }
            outcome = interleave(
                contenders, chosen["rounds"], chosen["seed"], tell
            )
            row = [str(workers), str(shards)]
            for rung in chosen["rungs"]:
                took = outcome.spread(rung, "round")
                row.append(_milliseconds(took))
                samples = outcome.samples(rung)
                found.append(
                    {
                        "workers": workers,
                        "servers": shards,
                        "who": rung,
                        "seconds": [x.seconds["round"] for x in samples],
                    }
                )
            rows.append(row)
    tables.show(
        f"ms of a synchronous round (min-max), {ARRAYS} arrays of "
        f"{ARRAY_BYTES // 2**10} KB, worker processes",
        ("workers", "servers", *chosen["rungs"]),
        rows,
    )
    return found


def _milliseconds(took: Spread) -> str:
    low, middle, high = (
        f"{seconds * 1e3:,.1f}"
        for seconds in (took.low, took.median, took.high)
    )
    return f"{middle} ({low}-{high})"


def _doubling(limit: int) -> list[int]:
    return [2**n for n in range(limit.bit_length()) if 2**n <= limit]
