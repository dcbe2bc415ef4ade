"""An actor dies, starts again, and has forgotten what it knew.

Watch: the counter begins at 1 again in another worker. Who wants its state
back has to save it.

Ask before restart: its process dies. What does it count to next?
- 4
+ 1
Because: an actor is what its process knows; it starts with `__init__`.
"""

import os
import signal
from typing import Any


def main(api: Any, cluster: Any) -> None:
    """Count to three, kill the actor, and count on."""

    @api.remote(max_restarts=1, max_task_retries=1)
    class Counter:
        def __init__(self) -> None:
            self.number = 0

        def add(self) -> int:
            self.number += 1
            return self.number

        def process(self) -> int:
            return os.getpid()

    counter = Counter.remote()
    before = api.get([counter.add.remote() for _ in range(3)])
    first = api.get(counter.process.remote())
    os.kill(first, signal.SIGKILL)
    after = [api.get(counter.add.remote()) for _ in range(3)]  # in order
    second = api.get(counter.process.remote())
    print(f"process {first} counted {before}, process {second} {after}")
    assert before == after == [1, 2, 3]
    assert first != second
