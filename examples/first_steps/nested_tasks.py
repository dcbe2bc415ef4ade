"""Tasks that start tasks: a merge sort cuts itself in two.

A task with a short list sorts it. One with a long list starts two tasks, for
its halves, waits for them and merges. There are more tasks than CPUs, and
most of them wait; a task that waits in `get` gives its CPU back.

Watch: which process sorted how many pieces. Nobody told the driver.
From:  Ray 0.2.2's documentation.
Next:  a task that ends early needs no process while its halves are sorted:
       return `merge.remote(...)` instead of waiting. What does the caller
       get then?
"""

import heapq
import os
import random
from collections import Counter


def main(ray, full=False, *, count=20_000, piece=5_000):
    """Return the sorted numbers."""
    count, piece = (20 * count, 10 * piece) if full else (count, piece)
    numbers = random.Random(0).sample(range(10 * count), count)

    @ray.remote
    def sort(numbers):
        if len(numbers) <= piece:
            return sorted(numbers), Counter([os.getpid()])
        half = len(numbers) // 2
        (left, some), (right, others) = ray.get(
            [sort.remote(numbers[:half]), sort.remote(numbers[half:])]
        )
        return list(heapq.merge(left, right)), some + others

    result, pieces = ray.get(sort.remote(numbers))
    for process, sorted_by_it in pieces.items():
        print(f"process {process} sorted {sorted_by_it} pieces")

    assert result == sorted(numbers), "they are not sorted"
    return result
