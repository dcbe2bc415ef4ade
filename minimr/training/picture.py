"""Draws loss over time and staleness as a PNG, a row per rung."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minimr.system.files import atomic_bytes_writer
from minimr.training.digits import MODES, Plan, Trained

COLOURS = dict(zip(MODES, ("#35618f", "#4e9a51", "#d1622b"), strict=True))
ROW_INCHES, WIDTH_INCHES = 4.6, 14.0
FONT_SIZE = 14


def draw(path: str, trained: Sequence[Trained], plan: Plan) -> None:
    """Draw all runs.

    Raises:
        OSError: the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rungs = list(dict.fromkeys(run.rung for run in trained))
    with pyplot.rc_context({"font.size": FONT_SIZE}):
        figure, rows = pyplot.subplots(
            len(rungs),
            2,
            figsize=(WIDTH_INCHES, ROW_INCHES * len(rungs) + 0.8),
            squeeze=False,
            sharex="col",
            sharey="col",
            layout="constrained",
        )
        figure.suptitle(_title(plan), x=0.01, ha="left")
        for rung, (left, right) in zip(rungs, rows, strict=True):
            runs = [run for run in trained if run.rung == rung]
            _draw_loss(left, rung, runs)
            _draw_staleness(right, runs)
        with atomic_bytes_writer(path) as file:
            figure.savefig(file, format="png", dpi=100)
        pyplot.close(figure)


def _title(plan: Plan) -> str:
    return (
        f"Digits on a parameter server: {plan.workers} workers, the last of "
        f"them slow ({plan.slow_pause_s * 1e3:g} ms per round, the others "
        f"{plan.pause_s * 1e3:g} ms), {plan.servers} servers"
    )


def _draw_loss(axes: Any, rung: str, runs: Sequence[Trained]) -> None:
    for run in runs:
        axes.plot(
            [look.seconds for look in run.looks],
            [look.loss for look in run.looks],
            color=COLOURS[run.mode],
            lw=2.5,
            label=f"{run.mode}: {run.stats.rounds:,} updates",
        )
    axes.set_yscale("log")
    axes.set_ylim(0.07, 12)  # room for the legend above the curves
    axes.set_title(f"{rung}: loss on images not learnt from", loc="left")
    axes.set_xlabel("seconds")
    axes.legend(frameon=False, loc="upper right")
    _tidy(axes)


def _draw_staleness(axes: Any, runs: Sequence[Trained]) -> None:
    for place, run in enumerate(runs):
        found = sorted(run.stats.staleness.items())
        total = sum(count for _, count in found)
        shares = [count / total for _, count in found]
        # Side by side, so that none hides another.
        places = [staleness + 0.2 * (place - 1) for staleness, _ in found]
        colour = COLOURS[run.mode]
        axes.vlines(places, 1e-5, shares, color=colour, lw=2)
        most = f"{run.mode}: at most {found[-1][0]}" if found else run.mode
        axes.plot(places, shares, "o", color=colour, label=most)
    axes.set_yscale("log")
    axes.set_ylim(2e-4, 8)
    axes.set_title("staleness: share of the pushes", loc="left")
    axes.set_xlabel("updates between a worker's pull and its push")
    axes.legend(frameon=False, loc="upper right")
    _tidy(axes)


def _tidy(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(alpha=0.3)
