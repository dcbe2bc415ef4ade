"""Pictures that can be read from the last row of a lecture hall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from benchmarks.common.timing import Spread

FONT_SIZE, NOTE_SIZE = 23, 17
INCHES = (16.0, 8.2)
DPI = 75
COLOURS = {"sockets": "#d1622b", "minimr": "#1f5f9e", "ray": "#3f3f3f"}
MARKERS = {"sockets": "o", "minimr": "s", "ray": "^"}
OTHER = "#8a5aa8"
LEAST_HEIGHT = 0.25  # of a bar with its value inside, of the highest
NAME_HEIGHT = 0.075  # of the axes
WHISKERS = "medians; whiskers: the least and the most of the rounds"
SHIFT = 0.06  # between the whiskers of engines, in nodes


@dataclass(frozen=True)
class Line:
    """One engine over the numbers of nodes."""

    engine: str
    points: Mapping[int, Spread]  # {nodes: ...}
    law: Mapping[int, float] = field(default_factory=dict)  # a fit to them


@dataclass(frozen=True)
class Panel:
    """One set of axes with a line per engine."""

    title: str
    lines: Sequence[Line]
    ideal: Mapping[int, float] = field(default_factory=dict)


def lines(panels: Sequence[Panel], title: str) -> bytes:
    """Draw panels beside each other, over the number of nodes."""
    with figure(len(panels), title, WHISKERS) as (axes, png):
        for ax, panel in zip(axes, panels, strict=True):
            _draw_lines(ax, panel)
            _name_lines(ax, panel)
    return png.getvalue()


def bars(
    groups: Mapping[str, Mapping[str, Spread]],
    title: str,
    label: str,
    reference: float | None = None,
    logarithmic: bool = False,
) -> bytes:
    """Draw {group: {engine: value}} as groups of bars, with their values.

    Args:
        logarithmic: small and large values can be read. They are dots, since
            a bar has no length then.
    """
    engines = list(
        dict.fromkeys(e for group in groups.values() for e in group)
    )
    width = 0.8 / len(engines)
    top = max(v.high for group in groups.values() for v in group.values())
    with figure(1, title, WHISKERS) as (axes, png):
        ax = axes[0]
        if logarithmic:
            ax.set_yscale("log", base=2, subs=[1.5])
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("{x:g}")
            ax.axhline(1, color="0.7", lw=2)
        for number, engine in enumerate(engines):
            places = [
                place + (number - (len(engines) - 1) / 2) * width
                for place, group in enumerate(groups.values())
                if engine in group
            ]
            values = [g[engine] for g in groups.values() if engine in g]
            if logarithmic:
                _draw_dots(ax, places, values, engine)
            else:
                _draw_bars(ax, places, values, width, engine, top)
        if reference is not None:
            ax.axhline(reference, color="0.3", ls="--", lw=2)
        names = [name.replace(":", "\n") for name in groups]
        ax.set_xticks(range(len(groups)), names)
        ax.set_xlim(-0.6, len(groups) - 0.4)
        ax.set_ylabel(label)
        low, high = ax.get_ylim()  # and room for the names
        if logarithmic:
            ax.set_ylim(low / 1.1, high * 1.8)
        else:
            ax.set_ylim(0, high * 1.22)
        ax.legend(frameon=False, ncols=len(engines), loc="upper center")
    return png.getvalue()


def _draw_lines(ax: Any, panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        shift = (number - (len(panel.lines) - 1) / 2) * SHIFT
        nodes = sorted(line.points)
        values = [line.points[n] for n in nodes]
        ax.errorbar(
            [n + shift for n in nodes],
            [v.median for v in values],
            yerr=[
                [v.median - v.low for v in values],
                [v.high - v.median for v in values],
            ],
            color=COLOURS.get(line.engine, OTHER),
            marker=MARKERS.get(line.engine, "D"),
            markersize=13,
            lw=3.5,
            capsize=7,
        )
        if line.law:
            ax.plot(
                list(line.law),
                list(line.law.values()),
                color=COLOURS.get(line.engine, OTHER),
                ls=":",
                lw=2.5,
            )
    if panel.ideal:
        ax.plot(
            list(panel.ideal), list(panel.ideal.values()), "--", color="0.55",
            lw=2.5, zorder=0,
        )  # fmt: skip
    every = sorted({n for line in panel.lines for n in line.points})
    ax.set_xticks(every)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("nodes")
    ax.set_title(panel.title, fontsize=FONT_SIZE)


def _name_lines(ax: Any, panel: Panel) -> None:
    """Write the names beside the ends of the lines, one above another."""
    ends = {
        line.engine: (max(line.points), line.points[max(line.points)].median)
        for line in panel.lines
        if line.points
    }
    if panel.ideal:
        ends["ideal"] = max(panel.ideal.items())
    low, high = ax.get_ylim()
    step, lowest = (high - low) * NAME_HEIGHT, low - high
    for name, (x, y) in sorted(ends.items(), key=lambda end: end[1][1]):
        lowest = max(y, lowest + step)
        ax.annotate(
            name,
            (x, lowest),
            (16, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
            color=COLOURS.get(name, "0.45" if name == "ideal" else OTHER),
            fontweight="bold",
        )


def _draw_bars(
    ax: Any,
    places: Sequence[float],
    values: Sequence[Spread],
    width: float,
    engine: str,
    top: float,
) -> None:
    medians = [value.median for value in values]
    ax.bar(
        places, medians, width * 0.94,
        color=COLOURS.get(engine, OTHER), label=engine,
    )  # fmt: skip
    for place, value in zip(places, values, strict=True):
        if value.high > value.low:
            ax.plot([place] * 2, [value.low, value.high], "black", lw=2.5)
        inside = value.median > LEAST_HEIGHT * top
        ax.annotate(
            f"{value.median:.2f}",
            (place, 0 if inside else value.high),
            (0, 8),
            textcoords="offset points",
            ha="center",
            rotation=90,  # bars stand close to each other
            color="white" if inside else "black",
            fontweight="bold",
        )


def _draw_dots(
    ax: Any, places: Sequence[float], values: Sequence[Spread], engine: str
) -> None:
    ax.errorbar(
        places,
        [v.median for v in values],
        yerr=[
            [v.median - v.low for v in values],
            [v.high - v.median for v in values],
        ],
        color=COLOURS.get(engine, OTHER),
        fmt=MARKERS.get(engine, "D"),
        markersize=16,
        lw=3.5,
        capsize=7,
        label=engine,
    )
    for place, value in zip(places, values, strict=True):
        ax.annotate(
            f"{value.median:.2f}", (place, value.high), (0, 10),
            textcoords="offset points", ha="center", fontweight="bold",
        )  # fmt: skip


@contextmanager
def figure(
    panels: int, title: str, note: str = ""
) -> Iterator[tuple[Any, BytesIO]]:
    """Open panels beside each other; at the end they are a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    png = BytesIO()
    with pyplot.rc_context({"font.size": FONT_SIZE}):
        drawn, axes = pyplot.subplots(
            1, panels, figsize=INCHES, squeeze=False, layout="constrained"
        )
        drawn.suptitle(title, x=0.01, ha="left", fontweight="bold")
        drawn.supxlabel(note, x=0.01, ha="left", fontsize=NOTE_SIZE)
        for ax in axes.flat:
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
            ax.grid(axis="y", color="0.9")
            ax.set_axisbelow(True)
        yield list(axes.flat), png
        drawn.savefig(png, format="png", dpi=DPI)
        pyplot.close(drawn)
