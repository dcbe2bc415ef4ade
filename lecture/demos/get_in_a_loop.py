"""A `get` in a loop lets one task run at a time.

Watch: a staircase, and then full lanes. `why` names it.

Ask: 8 tasks of 0.1 s, 3 workers, and a `get` of each before the next?
- 0.3 s, as three workers run them
+ 0.8 s, as one task runs at a time
Because: `remote` starts a task, and `get` waits. Start all, then get all.
"""

import time
from typing import Any


def main(api: Any, cluster: Any) -> None:
    """Get each result before the next task is submitted, and then not."""

    @api.remote
    def work(number: int) -> int:
        time.sleep(0.1)
        return number

    api.get([work.remote(n) for n in range(4)])  # workers are there now
    begin = time.perf_counter()
    stairs = [api.get(work.remote(n)) for n in range(8)]
    middle = time.perf_counter()
    lanes = api.get([work.remote(n) for n in range(8)])
    end = time.perf_counter()
    print(f"in a loop {middle - begin:.2f} s, at once {end - middle:.2f} s")
    assert stairs == lanes
