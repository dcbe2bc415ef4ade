"""One task has more to do than the others, and all wait for it.

Watch: one long bar at the end, and empty lanes beside it. Cut finer, the
same work takes half the time.

Ask: 1.7 s of work in 8 tasks, on 3 workers. How long does it take?
- 0.6 s, a third
+ at least 1 s
- 1.7 s
Because: the longest task takes 1 s, and it begins last. Cut finer, or let
the long ones begin first.
"""

import time
from typing import Any

COARSE = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0]


def main(api: Any, cluster: Any) -> None:
    """Do the same work in uneven pieces, and then in even ones."""

    @api.remote
    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    fine = [0.1] * round(sum(COARSE) * 10)
    api.get([work.remote(0.1) for _ in range(8)])  # workers are there now
    took = []
    for pieces in (COARSE, fine):
        begin = time.perf_counter()
        done = sum(api.get([work.remote(piece) for piece in pieces]))
        took.append(time.perf_counter() - begin)
        assert round(done, 6) == round(sum(COARSE), 6)
    print(f"with a straggler {took[0]:.2f} s, cut finer {took[1]:.2f} s")
