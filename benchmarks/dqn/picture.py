"""The runs of the DQN benchmark: when each score was reached, and how.

Above, a dot per contender and score; below, the course of every run.
Time is on a logarithmic scale, on which equal ratios are equal lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median
from typing import Any

from benchmarks.common import machine
from benchmarks.common.picture import FONT_SIZE, WIDTH_INCHES
from benchmarks.common.timing import Spread
from benchmarks.dqn.course import Plan
from benchmarks.dqn.runs import Run
from benchmarks.dqn.summary import Row
from minimr.cli.console import number_of
from minimr.system.files import atomic_bytes_writer

COLOURS = ("#a9c4de", "#35618f", "#d1622b", "#3c8c4a", "#8c4a8c")
COLUMNS = 2
ROW_INCHES, PANEL_INCHES, HEAD_INCHES = 0.62, 3.6, 2.6
FLOOR = -300.0  # all lower scores are crashes
BESIDE = 0.24  # between the dots of a contender, in rows


def draw(
    path: str, runs: Sequence[Run], rows: Sequence[Row], plan: Plan
) -> None:
    """Draw everything as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = -(-len(rows) // COLUMNS)
    heights = [
        HEAD_INCHES + ROW_INCHES * len(rows),
        PANEL_INCHES * panels,
    ]
    with pyplot.rc_context(
        {"font.size": FONT_SIZE, "figure.titlesize": "medium"}
    ):
        figure = pyplot.figure(
            figsize=(WIDTH_INCHES, sum(heights)), layout="constrained"
        )
        above, below = figure.subfigures(2, 1, height_ratios=heights)
        _dots(above.subplots(), rows, plan)
        above.suptitle(_title(runs, plan), x=0.01, ha="left", linespacing=1.5)
        axes = below.subplots(
            panels, COLUMNS, sharex=True, sharey=True, squeeze=False
        )
        for place, panel in enumerate(axes.flat):
            if place < len(rows):
                name = rows[place].contender
                mine = [run for run in runs if run.contender == name]
                _courses(panel, name, mine, plan)
            else:
                panel.set_visible(False)
        with atomic_bytes_writer(path) as file:
            figure.savefig(file, format="png", dpi=100)
        pyplot.close(figure)


def _dots(axes: Any, rows: Sequence[Row], plan: Plan) -> None:
    """Draw medians with their ranges; an arrow: not reached."""
    for number, score in enumerate(plan.scores):
        shift = BESIDE * (number - (len(plan.scores) - 1) / 2)
        for place, row in enumerate(rows):
            label = f"to {score:g}" if place == 0 else None
            _dot(
                axes, place + shift, row.ways[number].seconds, plan,
                color=COLOURS[number % len(COLOURS)], label=label,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.contender for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    _time_axis(axes, plan)
    axes.set_xlabel(
        "seconds of training, without tests: median, minimum to maximum;\n"
        "an arrow: not reached. Below: every run, and in black the median "
        "of the best so far"
    )
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(plan.scores),
        frameon=False,
    )


def _dot(axes: Any, y: float, spread: Spread, plan: Plan, **look: Any) -> None:
    end = plan.limit_s
    low, middle, high = (
        min(value, end) for value in (spread.low, spread.median, spread.high)
    )
    axes.plot([low, high], [y, y], lw=3, color=look["color"])
    marker = "o" if isfinite(spread.median) else ">"
    axes.plot([middle], [y], marker, ms=12, **look)
    if isfinite(spread.median) and not isfinite(spread.high):
        axes.plot([high], [y], ">", ms=9, color=look["color"])


def _courses(axes: Any, name: str, runs: Sequence[Run], plan: Plan) -> None:
    """Draw the scores of every run of a contender."""
    for number, run in enumerate(runs):
        seconds = [test.seconds for test in run.tests]
        scores = [max(FLOOR, test.score) for test in run.tests]
        colour = COLOURS[1 + number % (len(COLOURS) - 1)]
        axes.plot(seconds, scores, ".-", lw=1.8, ms=9, alpha=0.7, color=colour)
    times, middles = best_so_far(runs)
    axes.step(
        times,
        [max(FLOOR, score) for score in middles],
        where="post",
        lw=4,
        color="black",
        alpha=0.75,
        zorder=0,
    )
    for score in plan.scores:
        axes.axhline(score, color="0.45", ls="--", lw=1.2, zorder=0)
    _time_axis(axes, plan)
    axes.set_title(name, loc="left", fontweight="bold")
    axes.set_ylabel("test score")
    axes.set_xlabel("seconds of training")
    axes.label_outer()


def best_so_far(runs: Sequence[Run]) -> tuple[list[float], list[float]]:
    """Return times, and the median over runs of the best score until then.

    A run that has ended keeps its best score. The times begin when all runs
    have had a test.
    """
    begin = max(run.tests[0].seconds for run in runs)
    every = sorted({t.seconds for run in runs for t in run.tests})
    times = [seconds for seconds in every if seconds >= begin]
    middles = [
        median(
            max(t.score for t in run.tests if t.seconds <= seconds)
            for run in runs
        )
        for seconds in times
    ]
    return times, middles


def _time_axis(axes: Any, plan: Plan) -> None:
    axes.set_xscale("log")
    axes.set_xlim(plan.test_every_s * 0.8, plan.limit_s * 1.1)
    ticks = [
        digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)
    ]
    low, high = axes.get_xlim()
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _title(runs: Sequence[Run], plan: Plan) -> str:
    seeds = len({run.seed for run in runs})
    return (
        f"{plan.environment}: time to an average test score, "
        f"{number_of(seeds, 'seed')}\n{machine.in_words(machine.facts())}"
    )
