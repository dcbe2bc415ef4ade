"""`python -m dqn sweep`: all combinations of three settings."""

from __future__ import annotations

from typing import Any

import click

from dqn.algorithm.environment import limit_of
from dqn.cli.options import ADDRESS, ENGINE, SHARE_HELP
from dqn.distributed.engines import open_engine
from dqn.runs.sweep import VARIED, Sweep
from dqn.settings import SHARE, Settings
from minimr.cli.console import note, say

POSITIVE = click.IntRange(min=1)
DEFAULTS = Settings()


def _numbers(
    context: click.Context, option: click.Parameter, value: str
) -> list[int]:
    """Return the numbers in `1,2,4`."""
    try:
        return [int(word) for word in value.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: give numbers separated by commas"
        ) from None


@click.command()
@click.option("--num-agents", default="1,2,4", callback=_numbers)
@click.option("--batch-size", default="32,64,128", callback=_numbers)
@click.option("--num-epochs-agents-train", default="1,5,10", callback=_numbers)
@ENGINE
@ADDRESS
@click.option(
    "--share",
    default=DEFAULTS.share,
    show_default=True,
    type=click.Choice(SHARE),
    help=SHARE_HELP,
)
@click.option("--environment", default=DEFAULTS.environment)
@click.option("--target-score", default=DEFAULTS.target_score)
@click.option("--max-rounds", default=DEFAULTS.max_rounds, type=POSITIVE)
@click.option("--max-seconds", default=60.0, help="Of training, for each.")
@click.option("--rounds-between-tests", default=5, type=POSITIVE)
@click.option("--seed", default=DEFAULTS.seed, type=click.IntRange(min=0))
@click.option("--num-cpus", default=DEFAULTS.num_cpus)
@click.option("--out", default="sweep", metavar="FOLDER")
def sweep(
    engine: str,
    address: str | None,
    out: str,
    **chosen: Any,
) -> None:
    """Train every combination of agents, batch size and games per round.

    Give numbers separated by commas. FOLDER keeps each finished run; the
    same command then continues with the others.
    """
    values = [chosen.pop(name) for name in VARIED]
    plan = Sweep(out, Settings(**chosen), values, engine)
    if limit := limit_of(chosen["environment"]):
        note(limit)
    missing, total = plan.missing(), len(plan.combinations)
    if len(missing) < total:
        note(f"{total - len(missing)} of {total} are finished already")
    try:
        _run(plan, missing, engine, address)
    finally:
        if plan.finished:
            table, picture = plan.save_tables(), plan.save_picture()
    say(table)
    say(f"wrote {picture}, and the table beside it")


def _run(
    plan: Sweep, missing: list[Settings], engine: str, address: str | None
) -> None:
    if not missing:
        return
    done = len(plan.combinations) - len(missing)
    with open_engine(engine, address=address, tell=note) as opened:
        for number, settings in enumerate(missing, done + 1):
            name = ", ".join(
                f"{key} {getattr(settings, key)}" for key in VARIED
            )
            note(f"{number}/{len(plan.combinations)} {name}")
            result = plan.run(settings, opened, note)
            plan.save_tables()
            note(
                f"    best test {result.best_score:.1f} in "
                f"{result.seconds:.1f} s, {result.rounds} rounds"
            )
