"""Tasks that are too small cost more than they do.

Watch: the lanes of the first half are a comb, those of the second half are
full; `why` says how many to put into one task.

Ask before square ends: what does a task of one multiplication cost?
- about as much as a call of a function
+ some thousand times as much
Because: it is packed, sent, read, answered. Put more into each task.
"""

import time
from typing import Any

NUMBERS = 2000
BATCH = 200


def main(api: Any, cluster: Any) -> None:
    """Square numbers one by one, and then in batches."""

    @api.remote
    def square(number: int) -> int:
        return number * number

    @api.remote
    def squares(numbers: range) -> list[int]:
        return [number * number for number in numbers]

    api.get([square.remote(n) for n in range(8)])  # workers are there now
    begin = time.perf_counter()
    one_by_one = api.get([square.remote(n) for n in range(NUMBERS)])
    middle = time.perf_counter()
    parts = [range(n, n + BATCH) for n in range(0, NUMBERS, BATCH)]
    batches = api.get([squares.remote(part) for part in parts])
    end = time.perf_counter()
    print(f"{NUMBERS} tasks: {middle - begin:.3f} s")
    print(f"{len(parts)} tasks: {end - middle:.3f} s")
    assert one_by_one == [n for batch in batches for n in batch]
