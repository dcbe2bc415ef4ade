"""A worker dies, and what its map tasks had made is made again.

Watch: map tasks that had ended run once more, elsewhere.

Ask before death: a reduce task kills its worker. What runs again?
- that reduce task
+ that task, and the map tasks that the worker had done
- the whole job
Because: blocks stay on the disk of who has made them.
"""

import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from minimr.interface.mapreduce import Job

ENGINES = ("sockets",)


def main(engine: Any, cluster: Any) -> Any:
    """Count words on three workers, one of which dies as it reduces."""

    def words(split: str) -> list[tuple[str, int]]:
        time.sleep(0.2)
        return [(word, 1) for word in split.split()]

    def total(word: str, ones: list[int]) -> int:
        if word == "cat" and not deadly.exists():
            deadly.touch()  # the next attempt lives
            signal.raise_signal(signal.SIGKILL)
        return sum(ones)

    with tempfile.TemporaryDirectory() as folder:
        deadly = Path(folder) / "died"
        result = engine.run(Job("", words, total), ["the cat sat"] * 6, 2)
        assert result.merged() == {"the": 6, "cat": 6, "sat": 6}
    return result
