"""The picture of the arena: a panel per case, the best on top."""

from __future__ import annotations

from typing import Any

from benchmarks.arena.show import COLUMNS, Column, number, value
from benchmarks.common.machine import in_words
from minimr.system.files import atomic_bytes_writer

OURS, RAY, OTHERS = "#d1622b", "#35618f", "#9a9a9a"
ROW_INCHES, HEAD_INCHES, WIDTH_INCHES = 0.36, 1.1, 16.0
FONT_SIZE = 16


def draw(path: str, document: dict[str, Any]) -> None:
    """Draw medians with their intervals on logarithmic scales."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = [c for c in COLUMNS if _values(document, c)]
    rows = -(-len(columns) // 2)
    most = max(len(_values(document, column)) for column in columns)
    height = rows * (HEAD_INCHES + ROW_INCHES * most) + 1.0
    with pyplot.rc_context({"font.size": FONT_SIZE}):
        figure, panels = pyplot.subplots(
            rows, 2, figsize=(WIDTH_INCHES, height), squeeze=False,
            layout="constrained",
        )  # fmt: skip
        figure.suptitle(
            f"{in_words(document['machine'])}, {document['workers']} workers\n"
            f"median of {document['rounds']} rounds, 95 % intervals; load "
            f"{document['load_before']:.2f} before, "
            f"{document['load_after']:.2f} after",
            x=0.01, ha="left", fontsize=FONT_SIZE,
        )  # fmt: skip
        for axes, column in zip(panels.flat, columns, strict=False):
            _panel(axes, column, _values(document, column))
        for axes in panels.flat[len(columns) :]:
            axes.set_axis_off()
        with atomic_bytes_writer(path) as file:
            figure.savefig(file, format="png", dpi=90)
        pyplot.close(figure)


def _values(document: dict[str, Any], column: Column) -> dict[str, Any]:
    """Return {name: value}, the best first."""
    found = {
        each["name"]: got
        for each in document["contestants"]
        if (got := value(each, column)) and got.median
    }
    ranked = sorted(found, key=lambda n: found[n].median, reverse=column.rises)
    return {name: found[name] for name in ranked}


def _panel(axes: Any, column: Column, values: dict[str, Any]) -> None:
    for place, (name, (median, low, high)) in enumerate(values.items()):
        ours = name.startswith("minimr")
        colour = OURS if ours else RAY if name == "ray" else OTHERS
        axes.axhline(place, color="0.85", lw=1, zorder=0)
        axes.errorbar(
            median, place, xerr=[[median - low], [high - median]],
            color=colour, marker="o", ms=11, capsize=5, lw=3,
        )  # fmt: skip
        axes.text(
            high * 1.3, place, number(median), va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axes.set_yticks(range(len(values)), [*values])
    for tick in axes.get_yticklabels():
        ours = tick.get_text().startswith("minimr")
        tick.set_fontweight("bold" if ours else "normal")
    axes.set_ylim(len(values) - 0.5, -0.5)  # the best on top
    axes.set_xscale("log")
    medians = [each.median for each in values.values()]
    highest = max(each.high for each in values.values())
    axes.set_xlim(min(medians) / 3, highest * 8)  # room for the numbers
    better = "more" if column.rises else "less"
    axes.set_title(
        f"{column.title.replace(chr(10), ' ')} ({better} is better)",
        loc="left", fontsize=FONT_SIZE, fontweight="bold",
    )  # fmt: skip
    axes.tick_params(left=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
