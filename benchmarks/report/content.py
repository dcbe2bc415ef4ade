"""The parts of a page, in any format."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common.machine import in_words


@dataclass(frozen=True)
class Figure:
    """A picture, and one sentence about what it shows."""

    name: str  # of its file
    sentence: str
    png: bytes

    @property
    def base64(self) -> str:
        """The picture as text, for a page that stands alone."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column is left-aligned."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass
class Section:
    """All about one measurement."""

    title: str
    notes: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """How numbers were made: machine, software, command, dates."""

    machine: str
    system: str
    versions: str
    command: str
    dates: str

    @classmethod
    def of(cls, machines: Sequence[dict[str, Any]]) -> Origin:
        """Return the facts of several files with the same command."""
        first = machines[0]
        dates = sorted(machine["date"] for machine in machines)
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        versions = first["packages"].items()
        return cls(
            in_words(first),
            first["system"],
            ", ".join(f"{name} {version}" for name, version in versions),
            first["command"],
            span,
        )
