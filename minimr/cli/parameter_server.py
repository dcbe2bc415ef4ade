"""`minimr parameter-server`: train one network in every mode, and compare.

each engine:  start workers once
  each mode:  start servers ─> train for a while ─> loss, staleness
                                                      └─> table, files
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from minimr.cli.console import note, show_columns
from minimr.cli.engines import ADDRESS, FAILURES, some_of
from minimr.interface.parameter_server import ParameterServerError
from minimr.ladder import ENGINES, LADDER, load
from minimr.system.files import atomic_writer, check_writable
from minimr.training.digits import MODES, Plan, Trained, train
from minimr.training.workers import open_crew

POSITIVE = click.IntRange(min=1)
TIME = click.FloatRange(min=0)
TARGET_LOSS = 0.5
HEADS = (
    "engine", "mode", "updates", "rounds of each worker", "loss", "accuracy",
    f"s to loss {TARGET_LOSS}", "staleness: mean", "max", "lead",
)  # fmt: skip


def _writable(
    ctx: click.Context, option: click.Parameter, value: str | None
) -> str | None:
    if value is not None:
        check_writable(value)
    return value


@click.command("parameter-server")
@some_of("--engine", ENGINES, "sockets")
@some_of("--mode", tuple(MODES), "all")
@ADDRESS
@click.option("--workers", default=4, show_default=True, type=POSITIVE)
@click.option("--servers", default=2, show_default=True, type=POSITIVE)
@click.option("--seconds", default=5.0, show_default=True, type=TIME)
@click.option(
    "--bound",
    default=4,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many rounds ahead a stale worker may read.",
)
@click.option("--learning-rate", default=0.1, show_default=True)
@click.option("--batch-size", default=32, show_default=True, type=POSITIVE)
@click.option(
    "--slow-ms",
    default=50.0,
    show_default=True,
    type=TIME,
    help="Pause of the last worker in each round; of the others, 5.",
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--picture", callback=_writable, help="Draw loss and staleness as a PNG."
)
@click.option("--json", "path", callback=_writable, help="Write all results.")
def parameter_server(**chosen: Any) -> int:
    """Train a small network on handwritten digits in three modes.

    The last worker is slow. Synchronous: all wait for it. Stale: they may be
    a few rounds ahead of it. Asynchronous: nobody waits.
    """
    plan = Plan(
        chosen["workers"],
        chosen["servers"],
        chosen["seconds"],
        chosen["bound"],
        chosen["learning_rate"],
        chosen["batch_size"],
        slow_pause_s=chosen["slow_ms"] / 1e3,
        seed=chosen["seed"],
    )
    trained: list[Trained] = []
    failed = False
    for rung in chosen["engine"]:
        try:
            # Extended one by one: an error keeps the results before it.
            trained.extend(
                _train(rung, chosen["mode"], plan, chosen["address"])
            )
        except (*FAILURES, ParameterServerError) as error:
            if len(chosen["engine"]) == 1:
                raise
            note(f"minimr: {rung}: {error}")
            failed = True
    _show(trained)
    if chosen["path"]:
        content = {
            "plan": asdict(plan),
            "runs": [_as_json(t) for t in trained],
        }
        with atomic_writer(chosen["path"]) as file:
            json.dump(content, file, indent=1)
    if chosen["picture"]:
        from minimr.training.picture import draw

        draw(chosen["picture"], trained, plan)
        note(f"drawn: {chosen['picture']}")
    return 1 if failed else 0


def _train(
    rung: str, modes: Sequence[str], plan: Plan, address: str | None
) -> Iterator[Trained]:
    with _cluster(rung, address), open_crew(rung, plan.workers) as crew:
        for mode in modes:
            note(f"{rung}: {mode}, {plan.seconds:g} s")
            yield train(rung, mode, plan, crew)


@contextlib.contextmanager
def _cluster(rung: str, address: str | None) -> Iterator[None]:
    """Join or start the cluster of an engine that has one; leave it after."""
    verbs = LADDER[rung].verbs
    if not verbs:
        yield
        return
    cluster = load(rung, "ray_impl.cluster")
    where = cluster.running(verbs) if address is None else address
    joining = where not in (None, "local")
    api = load(rung, verbs) if rung != "ray" else cluster.load_ray(joining)
    if joining:
        cluster.join_cluster(api, where)
        note(f"{rung} has joined the cluster at {where}")
    else:
        cluster.start_cluster(api)
    try:
        yield
    finally:
        api.shutdown()


def _show(trained: Sequence[Trained]) -> None:
    show_columns([HEADS, *(_row(run) for run in trained)], names=2)


def _as_json(run: Trained) -> dict[str, Any]:
    looks = [look._asdict() for look in run.looks]
    return {**vars(run), "stats": vars(run.stats), "looks": looks}


def _row(run: Trained) -> list[str]:
    found, stats = run.looks[-1], run.stats
    pushes = sum(stats.staleness.values())
    mean = sum(s * n for s, n in stats.staleness.items()) / max(1, pushes)
    reached = run.seconds_to(TARGET_LOSS)
    return [
        run.rung,
        run.mode,
        f"{stats.rounds:,}",
        " ".join(map(str, run.rounds)),
        f"{found.loss:.3f}",
        f"{found.accuracy:.1%}",
        "-" if reached is None else f"{reached:.2f}",
        f"{mean:.1f}",
        str(max(stats.staleness, default=0)),
        str(max(stats.lead, default=0)),
    ]
