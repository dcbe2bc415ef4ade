"""What a page is made of, whatever it is written in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common.machine import in_words


@dataclass(frozen=True)
class Figure:
    """A picture, and one sentence of what to see in it."""

    name: str  # of its file
    sentence: str
    png: bytes

    @property
    def base64(self) -> str:
        """The picture as text, for a page that stands alone."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column stands to the left."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass
class Section:
    """All about one thing that was measured."""

    title: str
    notes: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """How numbers were made: on what, with what, by which command."""

    machine: str
    system: str
    versions: str
    command: str
    dates: str

    @classmethod
    def of(cls, machines: Sequence[dict[str, Any]]) -> Origin:
        """Sum up the facts of several files with one command."""
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
