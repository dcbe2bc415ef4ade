"""A task runs in another process than the program that calls it.

Watch: step by step, who submits it, who is sent it, who runs it, and how its
result comes back.

Ask before where begins: in which process does the task run?
- in the one of the program that calls it
- in a new one, started for this task
+ in a worker, which was there and runs other tasks afterwards
Because: to start a process takes longer than most tasks; so a node keeps
workers, and who calls leases one.
"""

import os
from typing import Any


def main(api: Any, cluster: Any) -> None:
    """Ask a task in which process it is."""

    @api.remote
    def where() -> int:
        return os.getpid()

    there = api.get(where.remote())
    print(f"this is process {os.getpid()}, and the task was in {there}")
    assert there != os.getpid()
