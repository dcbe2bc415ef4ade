"""Tasks that wait for their own tasks hold a worker each, and no CPU.

Watch: the grey lines are waits in `get`. There are more workers than CPUs:
else all CPUs would wait for tasks that no CPU is left for, a deadlock.

Ask: 3 CPUs. A task waits for two others, and these for two each. And?
- a deadlock, as all workers wait
+ it ends: who waits gives its CPU back
Because: a node starts another worker for each that waits in `get`.
"""

from typing import Any

DEPTH = 3


def main(api: Any, cluster: Any) -> None:
    """Add up a tree in which every task waits for two others."""

    @api.remote
    def leaves(depth: int) -> int:
        import time

        time.sleep(0.05)
        if depth == 0:
            return 1
        return sum(api.get([leaves.remote(depth - 1) for _ in range(2)]))

    found = api.get(leaves.remote(DEPTH))
    print(f"the tree has {found} leaves")
    assert found == 2**DEPTH
