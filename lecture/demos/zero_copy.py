"""A large array is put once, and read in place by every task.

Watch: tasks read 80 MB, and none of them takes the time to copy it. What
many read, nobody may write.

Ask before add begins: 8 tasks read an array of 80 MB. What is copied?
- 640 MB, 80 for each task
- 80 MB for each worker
+ nothing
Because: all workers of a node map the same memory, and read it there.
"""

from typing import Any

import numpy as np


def main(api: Any, cluster: Any) -> None:
    """Add up parts of one array in eight tasks."""

    @api.remote
    def add(array: Any, part: int) -> tuple[float, bool]:
        return float(array[part::8].sum()), bool(array.flags.writeable)

    array = api.put(np.ones(10_000_000))
    found = api.get([add.remote(array, part) for part in range(8)])
    print(f"sums {[round(total) for total, _ in found]}")
    assert sum(total for total, _ in found) == 10_000_000
    assert not any(writeable for _, writeable in found)
