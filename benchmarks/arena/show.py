"""The tables of the arena, from the JSON of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.common import tables
from benchmarks.common.machine import in_words
from benchmarks.common.ratios import interval

Document = dict[str, Any]
NO_LENGTH = "none"  # no task is long enough


class Column(NamedTuple):
    """A case as it is shown."""

    case: str
    title: str
    scale: float  # of the values, for the unit
    rises: bool = True  # more is better


TASKS = (
    Column("one_by_one", "one by one,\ntasks/s", 1),
    Column("at_once", "1,000 at once,\ntasks/s", 1),
    Column("chain", "chain of 100,\ntasks/s", 1),
    Column("fan_in", "fan-in of 100,\ntasks/s", 1),
    Column("large_argument", "8 MB argument,\nMB/s", 1),
)
OTHERS = (
    Column("actor_one_by_one", "actor, one by\none, calls/s", 1),
    Column("actor_at_once", "actor, 1,000 at\nonce, calls/s", 1),
    Column("metg", "METG at 50 %,\nms", 1e3, rises=False),
    Column("start", "start to first\nresult, s", 1, rises=False),
    Column("memory", "idle memory,\nMB", 1e-6, rises=False),
)
COLUMNS = (*TASKS, *OTHERS)


class Value(NamedTuple):
    """The median of the rounds, and an interval that covers it."""

    median: float
    low: float
    high: float


def value(contestant: Document, column: Column) -> Value | None:
    """Return what a contestant was in a case, None: it has not run."""
    samples = contestant["samples"].get(column.case)
    if not samples:
        return None
    scaled = [each * column.scale for each in samples]
    return Value(statistics.median(scaled), *interval(scaled))


def best(document: Document, column: Column) -> str | None:
    """Return who is first in a case, of those with processes."""
    found = {
        each["name"]: got.median
        for each in document["contestants"]
        if (got := value(each, column)) and got.median and not each["threads"]
    }
    pick = max if column.rises else min
    return pick(found, key=found.__getitem__) if found else None


def number(amount: float) -> str:
    """Return an amount with three significant digits."""
    if amount >= 100:
        return f"{amount:,.0f}"
    return f"{amount:.2f}" if amount < 10 else f"{amount:.1f}"


def cell(contestant: Document, column: Column) -> str:
    """Return median and interval, or why there is none."""
    found = value(contestant, column)
    if found is None:
        failed = {"start", column.case} & contestant["failures"].keys()
        return "failed" if failed else tables.NOTHING
    if column.case == "metg" and not found.median:
        return NO_LENGTH
    return f"{number(found.median)} ({number(found.low)}-{number(found.high)})"


def show(document: Document) -> None:
    """Print two tables, and notes."""
    title = _title(document)
    for columns in (TASKS, OTHERS):
        tables.show(
            title,
            ["", *(column.title for column in columns)],
            [
                [each["name"], *(cell(each, column) for column in columns)]
                for each in document["contestants"]
                if each["samples"]
            ],
        )
        title = ""
    tables.show("first of those with processes", ["case", "who"], [
        [column.title.replace("\n", " "), best(document, column) or "-"]
        for column in COLUMNS
    ], notes(document))  # fmt: skip


def markdown(document: Document) -> str:
    """Return tables and notes for a document."""
    lines = [f"{_title(document)}.", ""]
    for columns in (TASKS, OTHERS):
        firsts = [best(document, column) for column in columns]
        heads = [column.title.replace("\n", " ") for column in columns]
        rows = []
        for each in document["contestants"]:
            if not each["samples"]:
                continue
            cells = [
                f"**{text}**" if each["name"] == first else text
                for text, first in zip(
                    (cell(each, column) for column in columns),
                    firsts,
                    strict=True,
                )
            ]
            rows.append([each["name"], *cells])
        lines += [*tables.markdown(("", *heads), rows), ""]
    lines += [f"- {note}" for note in notes(document)]
    return "\n".join(lines) + "\n"


def notes(document: Document) -> Iterator[str]:
    """Yield what has to be known beside the values."""
    yield (
        "median of the rounds, and an interval that covers the median "
        "nineteen times of twenty (bootstrap). Results are checked."
    )
    limits = document["limits"]
    yield (
        "the limits of the machine: two processes with a bare socket "
        f"exchange {limits['socket_one_by_one']:,.0f} messages/s one by one, "
        f"{limits['socket_at_once']:,.0f} at once; memory is copied at "
        f"{limits['copy_megabytes']:,.0f} MB/s"
    )
    yield (
        "METG: the smallest share of the cores' time per task (wall time x "
        "workers / tasks) at which half of it is computing; independent "
        f"tasks, submitted together. {NO_LENGTH}: no task up to half a second"
    )
    yield from _about(document["contestants"])
    yield (
        f"load average before: {document['load_before']:.2f}, after: "
        f"{document['load_after']:.2f}; took {document['took_seconds']:.0f} s"
    )


def _about(contestants: list[Document]) -> Iterator[str]:
    through = [each["name"] for each in contestants
               if each["samples"] and not each["takes_futures"]]  # fmt: skip
    if through:
        yield (
            "chain and fan-in pass each result through the driver: "
            + ", ".join(through)
        )
    for each in contestants:
        small = [
            f"{case} in batches of {batch}"
            for case, batch in each["batches"].items()
            if 1 < batch < (1000 if case.endswith("at_once") else 100)
        ]
        versions = " ".join(f"{k} {v}" for k, v in each["versions"].items())
        about = "; ".join(filter(None, [versions, each["about"], *small]))
        if about:
            yield f"{each['name']}: {about}"
        for case, why in each["failures"].items():
            yield f"{each['name']}, {case} failed: {why['reason']}"


def _title(document: Document) -> str:
    return (
        f"{in_words(document['machine'])}; {document['workers']} workers, "
        f"{document['rounds']} rounds"
    )
