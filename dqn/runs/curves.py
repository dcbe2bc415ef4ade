"""Scores over time as pictures, large enough to read in a lecture hall.

plot    one line per run: over seconds, and below it over rounds
sweep   one panel per pair of two settings, one line per value of the third
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from dqn.errors import DQNError
from dqn.runs.history import SCORE, History
from minimr.system import files

FONT_SIZE = 19
WIDTH_INCHES, PANEL_INCHES, LEGEND_INCHES = 13.0, 5.2, 0.42
COLOURS = ("#35618f", "#d1622b", "#3c8c4a", "#8c4a8c", "#b08a1e", "#3aa0a0")
STYLES = ("-", "--", ":")
FLOOR = -400.0  # an untrained lander crashes far below; not shown
TIME, ROUNDS = "seconds of training", "rounds"


class Grid(NamedTuple):
    """The settings that a sweep has varied, and the values of each."""

    rows: tuple[str, Sequence[int]]
    columns: tuple[str, Sequence[int]]
    lines: tuple[str, Sequence[int]]


def draw_runs(path: str, runs: Sequence[History]) -> None:
    """Draw the scores of runs, over time and over rounds.

    Args:
        path: of the PNG.
        runs: at least one.
    """
    with _figure(path, 2, 1, 2 * PANEL_INCHES, len(runs)) as (figure, axes):
        figure.suptitle(_title(runs))
        for row, (key, label) in enumerate(
            [("seconds", TIME), ("round", ROUNDS)]
        ):
            for number, run in enumerate(runs):
                _line(axes[row][0], run, key, number, run.name)
            _finish(axes[row][0], runs)
            axes[row][0].set_xlabel(label)
            axes[row][0].set_ylabel("score of a test")
        _legend(figure, axes[0][0])


def draw_sweep(path: str, runs: Sequence[History], grid: Grid) -> None:
    """Draw the scores of all combinations of three settings over time."""
    (row_name, rows), (column_name, columns), (line_name, lines) = grid
    height = PANEL_INCHES * 0.75 * len(rows)
    with _figure(path, len(rows), len(columns), height, len(lines)) as (
        figure,
        axes,
    ):
        figure.suptitle(_title(runs))
        for run in runs:
            facts = run.facts
            panel = axes[rows.index(facts[row_name])][
                columns.index(facts[column_name])
            ]
            number = lines.index(facts[line_name])
            label = f"{line_name} = {lines[number]}"
            _line(panel, run, "seconds", number, label)
        for i, row in enumerate(rows):
            axes[i][0].set_ylabel(f"{row_name} = {row}")
            for panel in axes[i]:
                _finish(panel, runs)
        for i, column in enumerate(columns):
            axes[0][i].set_title(f"{column_name} = {column}")
            axes[-1][i].set_xlabel(TIME)
        _legend(figure, *(panel for row in axes for panel in row))


@contextmanager
def _figure(
    path: str, rows: int, columns: int, height: float, labels: int
) -> Iterator[tuple[Any, Any]]:
    """Open a grid of panels with the same scales; save it at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": FONT_SIZE}):
        figure, axes = pyplot.subplots(
            rows,
            columns,
            figsize=(
                WIDTH_INCHES * max(1.0, columns / 3),
                height + 1.5 + LEGEND_INCHES * labels,
            ),
            squeeze=False,
            sharex=columns > 1,
            sharey=True,
            layout="constrained",
        )
        try:
            yield figure, axes
            with files.atomic_bytes_writer(path) as file:
                figure.savefig(file, format="png", dpi=100)
        except OSError as error:
            raise DQNError(f"cannot write {path}: {error.strerror}") from error
        finally:
            pyplot.close(figure)


def _line(axes: Any, run: History, key: str, number: int, label: str) -> None:
    style = STYLES[number // len(COLOURS) % len(STYLES)]
    axes.plot(
        run.series(key),
        run.series(SCORE),
        color=COLOURS[number % len(COLOURS)],
        linestyle=style,
        lw=2.5,
        marker="o" if len(run.tests) < 30 else "",
        label=label,
    )


def _finish(axes: Any, runs: Sequence[History]) -> None:
    """Mark the target; leave out what is far below."""
    target = runs[0].facts["target_score"]
    axes.axhline(target, color="0.45", ls="--", lw=1.5, zorder=0)
    scores = [score for run in runs for score in run.series(SCORE)]
    if scores and min(scores) < FLOOR:
        axes.set_ylim(bottom=FLOOR)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend(figure: Any, *panels: Any) -> None:
    """Name every line once, below the panels."""
    named: dict[str, Any] = {}
    for panel in panels:
        for handle, label in _labelled(panel):
            named.setdefault(label, handle)
    if named:
        figure.legend(
            [*named.values()],
            [*named],
            loc="outside lower left",
            ncols=1 if len(named) < 6 else 2,
            frameon=False,
        )


def _labelled(panel: Any) -> Iterator[tuple[Any, str]]:
    handles, labels = panel.get_legend_handles_labels()
    return zip(handles, labels, strict=True)


def _title(runs: Sequence[History]) -> str:
    names = {str(run.facts["environment"]) for run in runs}
    return (
        f"Test scores on {', '.join(sorted(names))} "
        f"(dashed: the target, {runs[0].facts['target_score']:g})"
    )


def check_writable(path: str | Path) -> None:
    """Raise now, not after the work, if a file cannot be written.

    Raises:
        DQNError: it is a folder, or its folder cannot be written.
    """
    try:
        files.check_writable(path)
    except OSError as error:
        raise DQNError(f"cannot write {path}: {error.strerror}") from error
