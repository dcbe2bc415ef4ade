"""`python -m benchmarks limits`: how much one central process can handle.

fit      jobs of many empty tasks on few nodes: CPU seconds of the
         driver and of the head, by the numbers of tasks
predict  50 and 500 nodes, and how many there can be
check    many small nodes, and tasks that sleep: the measured time beside
         the model's, where the central process is the limit
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import click

from benchmarks.common import tables
from benchmarks.common.options import output_file, some_of, tell
from benchmarks.lab.cli import make_plan
from benchmarks.lab.plan import LabError
from benchmarks.lab.team import Team, team_of
from benchmarks.scaling import model
from benchmarks.scaling.model import Costs, Sample
from benchmarks.scaling.workloads import ENGINES

NAME = "mrlimit"
SIZES = ((40, 5), (160, 5), (320, 5), (80, 40), (160, 80))  # (maps, reduces)
ROUNDS = 3
FEW, MANY = 3, {"ray": 6}  # nodes; many: a raylet is large
MORE_SIZES = ((160, 5), (320, 5))  # on many nodes
MAPS, REDUCES = 12, 4  # tasks per node, for the prediction
PREDICTED = (5, 50, 500)
SLEEP_S = 0.02  # so short that the central process is the limit
TASKS_PER_NODE = 8
ANSWER_S = 300.0
HEADS = ("engine", "task µs", "block µs", "head µs",
         "news µs",
         *(f"{n} nodes s" for n in PREDICTED), "nodes for 10 s work",
         "for 100 s")  # fmt: skip
CHECK_HEADS = ("engine", "nodes", "share", "tasks", "ideal s", "predicted s",
               "measured s", "min-max")  # fmt: skip
SERVERS = ("gcs_server", "raylet/raylet", "minimr.core.node.main")


@click.command()
@some_of("--engines", ENGINES)
@click.option("--nodes", default=40, show_default=True, help="Of the check.")
@click.option("--cpu-share", default=0.05, show_default=True)
@output_file("--json", "Write the samples, the fit and the check.")
def limits(
    engines: tuple[str, ...], nodes: int, cpu_share: float, json: str | None
) -> None:
    """Measure the cost of the central process; predict, and check that."""
    fitted, samples, checks = {}, {}, {}
    try:
        for engine in engines:
            samples[engine] = list(measure(engine))
            fitted[engine] = model.fit(samples[engine])
            tell(f"{engine}: {fitted[engine]}")
            if engine != "ray" and nodes:  # 40 raylets are too many here
                checks[engine] = check(engine, nodes, cpu_share)
    except LabError as error:
        raise click.ClickException(str(error)) from error
    show(fitted, checks, nodes, cpu_share)
    if json:
        tables.write_json(
            json,
            "limits",
            costs={e: asdict(costs) for e, costs in fitted.items()},
            samples=[
                {"engine": e, **asdict(s)} for e, all_ in samples.items()
                for s in all_
            ],
            checks=[{"engine": e, **c} for e, c in checks.items()],
        )  # fmt: skip


def measure(engine: str) -> Iterator[Sample]:
    """Yield the cost of jobs of empty tasks, on few nodes and on many."""
    plan = make_plan(NAME, engine="none", nodes=FEW)
    with team_of(plan, engine) as team:
        for nodes, sizes in ((FEW, SIZES), (MANY.get(engine, 12), MORE_SIZES)):
            team.lab.grow(nodes)
            team.join()
            team.await_nodes()
            for maps, reduces in sizes * ROUNDS:
                yield _sample(team, nodes, maps, reduces)


def _sample(team: Team, nodes: int, maps: int, reduces: int) -> Sample:
    before = head_seconds(team)
    answer = team.ask(
        "benchmarks.scaling.jobs:shuffle",
        ANSWER_S,
        size=maps * reduces * 4 * 8,
        map_tasks=maps,
        reduce_tasks=reduces,
    )
    head = head_seconds(team) - before
    driver: float = answer["driver_cpu_seconds"]
    tell(
        f"{team.engine}: {nodes} nodes, {maps} x {reduces} tasks: driver "
        f"{driver:.3f} s, head {head:.3f} s"
    )
    return Sample(nodes, maps, reduces, driver, head)


def check(engine: str, nodes: int, share: float) -> dict[str, Any]:
    """Measure tasks that sleep on many small nodes, to check the model."""
    plan = make_plan(NAME, engine="none", nodes=nodes, cpu_share=share)
    plan = replace(plan, store_bytes=2**22)
    tasks = nodes * TASKS_PER_NODE
    with team_of(plan, engine) as team:
        call = "benchmarks.scaling.jobs:sleep"
        args = {"tasks": tasks, "seconds": SLEEP_S}
        team.ask(call, ANSWER_S, **args)
        before = team.lab.usage()["n1"].cpu_seconds
        rounds = [team.ask(call, ANSWER_S, **args) for _ in range(ROUNDS)]
        used = team.lab.usage()["n1"].cpu_seconds - before
    # The map tasks alone: the one reduce task costs the middle nothing.
    seconds = sorted(each["map_seconds"] for each in rounds)
    return {
        "nodes": nodes,
        "cpu_share": share,
        "tasks": tasks,
        "ideal_seconds": tasks * SLEEP_S / nodes,
        "n1_cpu_seconds": used / ROUNDS,
        "seconds": seconds,
        "whole_job_seconds": sorted(each["seconds"] for each in rounds),
    }


def predicted(costs: Costs, check: dict[str, Any]) -> float:
    """Return the predicted time: driver and head share n1's part of a core."""
    nodes, tasks = check["nodes"], check["tasks"]
    central = costs.driver(tasks, 1) + costs.at_head(nodes, tasks)
    ideal: float = check["ideal_seconds"]
    share: float = check["cpu_share"]
    return max(ideal, central / share)


def show(
    fitted: dict[str, Costs],
    checks: dict[str, dict[str, Any]],
    nodes: int,
    share: float,
) -> None:
    """Print the tables."""
    rows = [
        [engine, f"{c.task * 1e6:.0f}", f"{c.block * 1e6:.1f}",
         f"{c.head * 1e6:.0f}", f"{c.news * 1e6:.1f}",
         *(tables.seconds(c.central(n, MAPS, REDUCES)) for n in PREDICTED),
         *(f"{c.limit(t, MAPS, REDUCES):,}" for t in (10.0, 100.0))]
        for engine, c in fitted.items()
    ]  # fmt: skip
    notes = [
        f"predicted: seconds at the central process for {MAPS} map and "
        f"{REDUCES} reduce tasks per node, with a core of its own"
    ]
    tables.show("what the middle pays", HEADS, rows, notes)
    checked = [
        [engine, str(c["nodes"]), f"{share:g}", str(c["tasks"]),
         tables.seconds(c["ideal_seconds"]),
         tables.seconds(predicted(fitted[engine], c)),
         tables.seconds(c["seconds"][len(c["seconds"]) // 2]),
         "-".join(tables.seconds(c["seconds"][k]) for k in (0, -1))]
        for engine, c in checks.items()
    ]  # fmt: skip
    if checked:
        title = f"tasks that sleep {SLEEP_S} s on {nodes} small nodes"
        tables.show(title, CHECK_HEADS, checked)


def head_seconds(team: Team) -> float:
    """Return the CPU seconds of the head's servers, without its workers."""
    known = team.lab.usage()["n1"].processes
    return sum(
        float(p["cpu_seconds"])
        for p in known
        if any(server in p["command"] for server in SERVERS)
    )
