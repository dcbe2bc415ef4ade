"""The rows of a run for a document, each beside what the machine can do."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.common import tables
from benchmarks.common.machine import in_words

COPY, ONE_BY_ONE = "memory copy GB/s", "bare socket, one by one"
# {case: what limits it}: what it has to do at least, without a runtime
LIMITS = {
    "single client put gigabytes": COPY,
    "multi client put gigabytes": COPY,
    "single client tasks sync": ONE_BY_ONE,
    "1:1 actor calls sync": ONE_BY_ONE,
    "1:1 async-actor calls sync": ONE_BY_ONE,
}
HEADS = ("", "Ray, per s", "minimr, per s", "ratio", "interval", "the limit")
WANTED = 3.0  # times Ray's rate


def markdown(document: dict[str, Any]) -> str:
    """Return all rows, and what has to be known beside them."""
    before, after = document["load"]
    few = [r["name"] for r in document["rows"] if r["ratio"] < WANTED]
    limits = (f"{k}: {v:,.1f}" for k, v in document["limits"].items())
    lines = [
        f"{in_words(document['machine'])}; {document['rounds']} rounds of "
        f"{document['seconds']:g} s; load average before: {before:.2f}, "
        f"after: {after:.2f}. {'; '.join(limits)}. "
        f"Below {WANTED:g} times: {', '.join(few) or 'none'}. Medians, and "
        "an interval that covers the ratio nineteen times of twenty.",
        "",
    ]
    rows = [_cells(row, document["limits"]) for row in document["rows"]]
    return "\n".join([*lines, *tables.markdown(HEADS, rows)]) + "\n"


def _cells(row: dict[str, Any], limits: dict[str, float]) -> list[str]:
    low, high = row["interval"]
    limit = LIMITS.get(row["name"])
    return [
        row["name"],
        *(f"{median(row[who]):,.1f}" for who in ("ray", "minimr")),
        f"{row['ratio']:.1f}",
        f"{low:.1f}-{high:.1f}",
        f"{limits[limit]:,.1f}" if limit else tables.NOTHING,
    ]
