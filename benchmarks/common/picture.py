"""Bars of medians with their spread, large enough for a lecture hall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common.tables import seconds
from benchmarks.common.timing import Spread
from minimr.system.files import atomic_bytes_writer

SOLID, LIGHT, OWN = "#35618f", "#a9c4de", "#d1622b"
BAR_INCHES, HEAD_INCHES, WIDTH_INCHES = 0.72, 1.9, 13.0
FONT_SIZE = 19
LONGEST = 3.0  # in units of the reference; longer bars are cut


@dataclass(frozen=True)
class Bar:
    """One contender: a first part, the rest, and what stands behind it."""

    name: str
    first: Spread
    whole: Spread
    remark: str = ""
    own: bool = False  # ours, in a colour that stands out


@dataclass(frozen=True)
class Panel:
    """Bars on one scale, with a line at the reference."""

    title: str
    bars: Sequence[Bar]
    reference: float | None = None
    reference_name: str = ""


def draw(
    path: str, title: str, panels: Sequence[Panel], labels: tuple[str, str]
) -> None:
    """Draw panels below each other; the labels name a bar's parts."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    heights = [HEAD_INCHES + BAR_INCHES * len(p.bars) for p in panels]
    with pyplot.rc_context(
        {"font.size": FONT_SIZE, "figure.titlesize": "medium"}
    ):
        figure, rows = pyplot.subplots(
            len(panels),
            figsize=(WIDTH_INCHES, sum(heights) + 1.0),
            height_ratios=heights,
            squeeze=False,
            layout="constrained",
        )
        figure.suptitle(title, x=0.01, ha="left", linespacing=1.5)
        for axes, panel in zip(rows.flat, panels, strict=True):
            _draw_panel(axes, panel, labels)
        with atomic_bytes_writer(path) as file:
            figure.savefig(file, format="png", dpi=100)
        pyplot.close(figure)


def _draw_panel(axes: Any, panel: Panel, labels: tuple[str, str]) -> None:
    limit = _limit(panel)
    for place, bar in enumerate(panel.bars):
        _draw_bar(axes, place, bar, limit)
    if panel.reference is not None:
        axes.text(
            panel.reference,
            1.0,
            panel.reference_name,
            transform=axes.get_xaxis_transform(),
            ha="center",
            color="0.35",
        )
        axes.axvline(panel.reference, color="0.45", ls="--", lw=1.5, zorder=0)
    axes.set_yticks(range(len(panel.bars)), [b.name for b in panel.bars])
    for tick, bar in zip(axes.get_yticklabels(), panel.bars, strict=True):
        tick.set_fontweight("bold" if bar.own else "normal")
    axes.invert_yaxis()
    axes.set_xlim(0, limit * 1.38)  # room for the numbers
    axes.set_xlabel(
        f"seconds: {labels[0]} (dark), {labels[1]} (light)\n"
        "median, and whiskers from minimum to maximum"
    )
    axes.set_title(panel.title, loc="left", fontweight="bold")
    axes.tick_params(left=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_bar(axes: Any, place: int, bar: Bar, limit: float) -> None:
    colour = OWN if bar.own else SOLID
    first, whole = bar.first.median, bar.whole.median
    axes.barh(place, min(whole, limit), 0.66, color=colour, alpha=0.4)
    axes.barh(place, min(first, limit), 0.66, color=colour)
    for spread in (bar.first, bar.whole):
        if spread.median <= limit:
            low = spread.median - spread.low
            high = min(spread.high, limit) - spread.median
            axes.errorbar(
                spread.median,
                place,
                xerr=[[low], [high]],
                color="black",
                capsize=6,
                lw=2,
            )
    numbers = seconds(first)
    if whole > first * 1.01:
        numbers += f" / {seconds(whole)}"
    end = min(max(bar.first.high, bar.whole.high), limit)
    if bar.whole.high > limit:  # it, or its whisker, is cut
        numbers = f"» {numbers}"
    axes.text(
        end + limit * 0.015,
        place,
        numbers + bar.remark,
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def _limit(panel: Panel) -> float:
    highs = [bar.whole.high for bar in panel.bars]
    if panel.reference is None:
        return max(highs)
    within = [h for h in highs if h <= LONGEST * panel.reference]
    return max([*within, panel.reference])
