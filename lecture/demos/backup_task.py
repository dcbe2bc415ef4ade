"""A worker is slow, and an idle one runs its last task as well.

Watch: two bars for one map task. The second one ends first, and counts.

Ask before backup: one map task is late, and nobody knows why. What now?
- all wait for it
- the job fails
+ an idle worker runs it too, and the first to end counts
Because: an output counts once (MapReduce's paper, 3.6). Ray has no backups.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from minimr.interface.mapreduce import Job

ENGINES = ("sockets",)


def length(split: tuple[int, Path]) -> dict[str, int]:
    """Count to a number. The first who counts to 5 is slow."""
    number, slow = split
    if number == 5 and not slow.exists():
        slow.touch()  # the next attempt is not
        time.sleep(8)
    time.sleep(0.2)
    return {"all": number}


def main(engine: Any, cluster: Any) -> Any:
    """Add numbers up on three workers, one of which is slow once."""
    job = Job("sum", length, lambda key, values: sum(values))
    with tempfile.TemporaryDirectory() as folder:
        splits = [(n, Path(folder) / "slow") for n in range(6)]
        result = engine.run(job, splits, 1)
    print(f"all numbers below 6: {result.merged()}")
    assert result.merged() == {"all": 15}
    return result
