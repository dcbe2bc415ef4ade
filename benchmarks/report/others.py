"""The sections of all other benchmarks: the tables in their JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import picture, tables
from benchmarks.common.picture import Bar
from benchmarks.common.timing import Spread
from benchmarks.report.content import Figure, Section, Table

MAX_ROWS = 60
MAX_COLUMNS = 12


def section(document: dict[str, Any], name: str) -> Section:
    """Return the section of a file."""
    benchmark = document["benchmark"]
    made = Section(f"{benchmark} ({name})")
    if benchmark == "wordcount":
        made.figures = list(_word_count(document))
    content = {
        key: value
        for key, value in document.items()
        if key not in ("benchmark", "machine", "settings")
    }
    made.tables = list(_tables(content, ""))
    return made


def _word_count(document: dict[str, Any]) -> Iterator[Figure]:
    for result in document["results"]:
        rows = result["summary"]
        if not rows:
            continue
        bars = [
            Bar(
                row["engine"],
                Spread(**row["run"]),
                Spread(**row["merged"]),
                own=row["engine"] in ("sockets", "minimr"),
            )
            for row in rows
        ]
        job, first, last = result["job"], rows[0], rows[-1]
        title = f"Word count, job {job}: {result['bytes'] / 1e6:,.0f} MB"
        panel = picture.Panel("", bars)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "bars.png"
            labels = ("counted", "and brought to the driver")
            picture.draw(str(path), title, [panel], labels)
            png = path.read_bytes()
        sentence = (
            f"{first['engine']} is the quickest with "
            f"{first['run']['median']:.2f} s, {last['engine']} the slowest "
            f"with {last['run']['median']:.2f} s."
        )
        yield Figure(f"wordcount-{job}", sentence, png)


def _tables(content: Any, title: str) -> Iterator[Table]:
    """Yield a table per list of records in any document."""
    if _is_records(content):
        records = [_flat(each) for each in content[:MAX_ROWS]]
        heads = list(dict.fromkeys(h for r in records for h in r))
        heads = heads[:MAX_COLUMNS]
        rows = [[_cell(record.get(h)) for h in heads] for record in records]
        rest = len(content) - len(rows)
        more = f" (the first {len(rows)} of {len(content)})" if rest else ""
        yield Table(heads, rows, title + more)
        for number, each in enumerate(content):
            for key, value in each.items():
                yield from _tables(value, f"{title} {number + 1}: {key}")
    elif isinstance(content, dict):
        plain = {k: v for k, v in _flat(content).items() if _is_plain(v)}
        if plain:
            pairs = [[key, _cell(value)] for key, value in plain.items()]
            yield Table(("", "value"), pairs, title)
        for key, value in content.items():
            if _is_records(value):
                yield from _tables(value, f"{title} {key}".strip())


def _is_records(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) for each in value)
    )


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested records flat: {"run": {"low": 1}} is {"run low": 1}."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            found |= _flat(value, f"{name} ")
        elif not _is_records(value):
            found[name] = value
    return found


def _cell(value: Any) -> str:
    if value is None:
        return tables.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return tables.seconds(value) if value < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return str(value)
