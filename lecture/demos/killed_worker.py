"""A worker is killed, and its task runs again.

Watch: the cross in the lane of the worker, the new lane below it, and what
the loss cost. The result is the same.

Ask before retry: a worker has died with its task. What will `get` say?
- an error
+ the result, as if nothing had happened
Because: the owner of a task knows its arguments, and sends it elsewhere.
"""

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any


def main(api: Any, cluster: Any) -> None:
    """Sum squares on three workers, one of which dies at its second task."""

    @api.remote
    def square(number: int, deadly: Path) -> int:
        time.sleep(0.2)
        if number == 4 and not deadly.exists():
            deadly.touch()  # the next attempt lives
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    @api.remote
    def total(*squares: int) -> int:
        return sum(squares)

    with tempfile.TemporaryDirectory() as folder:
        deadly = Path(folder) / "died"
        squares = [square.remote(n, deadly) for n in range(9)]
        found = api.get(total.remote(*squares))
    print(f"the sum of the squares below 9 is {found}")
    assert found == 204
