"""The picture: a curve per engine, a line per thread, and where they cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.timing import Spread
from benchmarks.cost.crossing import Crossing, Times
from minimr.system.files import atomic_bytes_writer

COLOURS = ("#d1622b", "#35618f", "#4f8f4f", "#7a5195")
FONT_SIZE = 16
GAP = 0.035  # between the names of two threads, of the height


def draw(
    path: str,
    title: str,
    threads: Mapping[str, Spread],
    panels: Mapping[str, Mapping[str, Times]],
    crossed: Sequence[Crossing],
) -> None:
    """Draw medians, with whiskers and bands from minimum to maximum.

    Args:
        panels: {what is counted: {engine: its times}}, beside each other.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": FONT_SIZE}):
        figure, row = pyplot.subplots(
            1, len(panels), figsize=(13, 8), squeeze=False, sharey=True,
            layout="constrained",
        )  # fmt: skip
        figure.suptitle(title, x=0.01, ha="left", fontsize=FONT_SIZE)
        for axes, (counted, engines) in zip(
            row.flat, panels.items(), strict=True
        ):
            _draw_threads(axes, threads)
            _draw_engines(axes, engines, crossed)
            axes.set_xlabel(counted)
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
        row[0, 0].set_ylim(bottom=0)  # of all, when all are drawn
        _name_threads(row[0, -1], threads)
        row[0, 0].set_ylabel(
            "seconds until the counts are final: median, min-max"
        )
        with atomic_bytes_writer(path) as file:
            figure.savefig(file, format="png", dpi=100)
        pyplot.close(figure)


def _draw_threads(axes: Any, threads: Mapping[str, Spread]) -> None:
    for spread in threads.values():
        axes.axhline(spread.median, color="0.45", ls="--", lw=1.5)
        axes.axhspan(spread.low, spread.high, color="0.5", alpha=0.15)


def _name_threads(axes: Any, threads: Mapping[str, Spread]) -> None:
    """Write the names at the right, when the scale is known."""
    names = sorted(threads, key=lambda name: threads[name].median)
    heights = [threads[name].median for name in names]
    places = apart(heights, GAP * axes.get_ylim()[1])
    for name, place in zip(names, places, strict=True):
        axes.annotate(
            name,
            (1.0, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Return ascending heights, moved up where two are closer than a gap."""
    places: list[float] = []
    for height in heights:
        lowest = places[-1] + gap if places else height
        places.append(max(height, lowest))
    return places


def _draw_engines(
    axes: Any, engines: Mapping[str, Times], crossed: Sequence[Crossing]
) -> None:
    for (name, times), colour in zip(engines.items(), COLOURS, strict=False):
        numbers = sorted(times)
        medians = [times[n].median for n in numbers]
        below = [times[n].median - times[n].low for n in numbers]
        above = [times[n].high - times[n].median for n in numbers]
        axes.errorbar(
            numbers, medians, yerr=[below, above], label=name,
            color=colour, marker="o", capsize=6, lw=3,
        )  # fmt: skip
    places = [
        (each.workers, engines[each.engine][each.workers].median)
        for each in crossed
        if each.engine in engines and each.workers is not None
    ]
    axes.scatter(
        [x for x, _ in places],
        [y for _, y in places],
        s=350,
        facecolors="none",
        edgecolors="black",
        linewidths=2,
        zorder=3,
        label="the fewest that beat a thread",
    )
    axes.set_xticks(sorted({n for t in engines.values() for n in t}))
