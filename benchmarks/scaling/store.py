"""Points on disk: one file per point, written when it is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.machine import facts
from minimr.system.files import atomic_writer


@dataclass(frozen=True)
class Key:
    """What identifies a point."""

    kind: str  # "scaling", or "failure"
    engine: str
    workload: str
    nodes: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.engine}-{self.workload}-{self.nodes}"


@dataclass
class Point:
    """All rounds of a point, and their circumstances."""

    key: Key
    arguments: dict[str, Any]
    units: float  # of work, for the throughput
    lab: str  # what the nodes were, in words
    rounds: list[dict[str, Any]] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=facts)


class Store:
    """A folder of points."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def path(self, key: Key) -> Path:
        """Return where a point is, or will be."""
        return self.folder / f"{key}.json"

    def has(self, point: Point, rounds: int) -> bool:
        """Return whether it was measured this often, on the same lab."""
        path = self.path(point.key)
        if not path.exists():
            return False
        there = json.loads(path.read_text())
        same = (there["arguments"], there["lab"]) == (
            json.loads(json.dumps(point.arguments)),
            point.lab,
        )
        return same and len(there["rounds"]) >= rounds

    def save(self, point: Point) -> None:
        """Write a point: the whole file, or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {"benchmark": point.key.kind, **asdict(point)}
        with atomic_writer(str(self.path(point.key))) as file:
            json.dump(document, file, indent=1)

    def points(self) -> Iterator[Point]:
        """Yield all points."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                document = json.loads(path.read_text("utf-8"))
                kind = document.pop("benchmark", "")
            except (OSError, ValueError, TypeError, AttributeError):
                continue  # not a file of ours
            if kind in ("scaling", "failure"):
                key = Key(**document.pop("key"))
                yield Point(key=key, **document)
