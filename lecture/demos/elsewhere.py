"""A task runs in another process than the program that calls it.

Watch: step by step, who submits it, who is sent it, who runs it, and how its
result comes back.
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
