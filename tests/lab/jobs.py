"""Jobs for the driver in the lab."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lab.engines import NODE
from minimr.interface.mapreduce import Job, MapReduce
from minimr.shared.mapreduce.wordcount import combined_map, combined_reduce

TASK_S = 0.03
TOO_LONG_S = 60.0


@dataclass(frozen=True)
class StuckOnce:
    """Counts words; the second task in one node hangs, its first time."""

    folder: str
    node: str

    def __call__(self, split: Any) -> Mapping[str, int]:
        time.sleep(TASK_S)  # so that every node gets its part
        if os.environ[NODE] == self.node:
            place = Path(self.folder)
            if (place / "first").exists():
                if not (place / "stuck").exists():
                    (place / "stuck").touch()
                    time.sleep(TOO_LONG_S)
            else:
                (place / "first").touch()
        return Counter(combined_map(split))


def count(
    engine: MapReduce, texts: list[str], folder: str = "", node: str = ""
) -> dict[str, Any]:
    """Count, with a node that gets stuck if it is named."""
    mapper = StuckOnce(folder, node)
    job = Job("stuck once", mapper, combined_reduce)
    with_stats = engine.run(job, [[text] for text in texts], 5)
    counts = with_stats.merged()
    with_stats.close()
    return {"counts": counts, "reruns": with_stats.stats.reruns}
