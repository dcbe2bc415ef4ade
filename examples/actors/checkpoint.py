"""An actor that is started again, and goes on from its checkpoint.

With `max_restarts` the engine makes a dead actor anew: it calls the
constructor, no more. What the actor knew is gone, unless it wrote it down.
With `max_task_retries`, calls that were lost are made again.

Watch: both die at the third call. One counts from the start again, the other
       goes on; and the call during which it died is counted once.
From:  Ray 0.2.2's documentation (`checkpoint_interval`).
Next:  die between `self.count += 1` and the checkpoint, or after it: which
       calls are counted twice? What has a caller to send to prevent it?
"""

import os
import tempfile
from pathlib import Path


def main(ray, full=False, *, calls=6):
    """Return what both counters answered."""

    @ray.remote(max_restarts=1, max_task_retries=1)
    class Counter:
        def __init__(self, folder, keeps):
            self.checkpoint = Path(folder, "count") if keeps else None
            self.died = Path(folder, "died")
            self.count = 0
            if keeps and self.checkpoint.exists():
                self.count = int(self.checkpoint.read_text())

        def increment(self):
            if self.count == 2 and not self.died.exists():
                self.died.touch()
                os._exit(1)  # as if its machine had failed
            self.count += 1
            if self.checkpoint:
                self.checkpoint.write_text(str(self.count))
            return self.count

    answers = {}
    for keeps in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            counter = Counter.remote(folder, keeps)
            answers[keeps] = [
                ray.get(counter.increment.remote()) for _ in range(calls)
            ]
        print(f"checkpoint: {keeps!s:5}  {answers[keeps]}")

    assert answers[True] == list(range(1, calls + 1)), "a call was lost"
    assert answers[False] == [1, 2, *range(1, calls - 1)], "who kept it?"
    return answers
