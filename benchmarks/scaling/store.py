"""Points on disk: one file per point, written again after every round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.common.machine import facts
from minimr.system.files import atomic_writer

KINDS = ("scaling", "failure", "quota")


@dataclass(frozen=True)
class Key:
    """What identifies a point."""

    kind: str  # one of KINDS
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

    def load(self, empty: Point) -> Point:
        """Return the point on disk, if it is of the same work and lab.

        Returns: `empty` if there is none.
        """
        path = self.path(empty.key)
        if not path.exists():
            return empty
        there = json.loads(path.read_text())
        same = (there["arguments"], there["lab"]) == (
            json.loads(json.dumps(empty.arguments)),
            empty.lab,
        )
        known = {name: there[name] for name in ("rounds", "machine")}
        return replace(empty, **known) if same else empty

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
            if kind in KINDS:
                key = Key(**document.pop("key"))
                yield Point(key=key, **document)
