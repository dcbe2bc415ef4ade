"""A task with several results: each has a reference of its own.

`split` makes three arrays of one. Each of them goes to another task, and
the driver sees none.

Watch: `num_returns=3` gives three references at once, before the task runs.
From:  Ray 0.2.2's documentation.
Next:  let `split` yield its parts (`num_returns="streaming"`): which sum
       can then begin before `split` has ended?
"""

import numpy as np


def split(numbers):
    """Return the numbers that leave 0, 1 and 2 when divided by three."""
    return tuple(numbers[numbers % 3 == rest] for rest in range(3))


def main(ray, full=False, *, count=300_000):
    """Return the sums of the three parts."""
    numbers = np.arange(100 * count if full else count)
    expected = [int(part.sum()) for part in split(numbers)]

    @ray.remote
    def total(part):
        return int(part.sum())

    zeros, ones, twos = (
        ray.remote(split).options(num_returns=3).remote(numbers)
    )
    print(f"three references: {len({zeros, ones, twos})}")
    sums = ray.get([total.remote(part) for part in (zeros, ones, twos)])
    print(f"sums: {sums}")

    assert sums == expected, f"the serial sums are {expected}"
    return sums
