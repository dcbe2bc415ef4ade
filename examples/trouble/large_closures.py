"""Large closures: a function that takes its data along, each time it is made.

A function travels with the variables that it uses. If one of them is a large
array, the function is large: it is pickled whenever it is decorated anew, and
every process has a copy of its own. As an argument, `put` once, it is in
shared memory, and read in place.

Watch: both times. Where it is read: another process's copy, or the store's.
From:  Ray 0.2.2's documentation; today's, on anti-patterns.
Next:  decorate the function outside of the loop. What is better now, and
       what is not?
"""

import time

import numpy as np


def main(ray, full=False, *, megabytes=20, rounds=4):
    """Return the sums."""
    megabytes = 80 if full else megabytes  # Ray refuses functions above 95
    array = np.ones(megabytes * 125_000)

    begin = time.perf_counter()
    captured = []
    for round_ in range(rounds):

        @ray.remote
        def total(factor):
            return factor * float(array.sum()), array.flags.writeable

        captured.append(ray.get(total.remote(round_)))
    print(
        f"captured      {time.perf_counter() - begin:5.2f} s  "
        f"a copy of its own: {captured[0][1]}"
    )

    @ray.remote
    def total_of(array, factor):
        return factor * float(array.sum()), array.flags.writeable

    begin = time.perf_counter()
    stored = ray.put(array)
    handed = [ray.get(total_of.remote(stored, r)) for r in range(rounds)]
    print(
        f"put, handed   {time.perf_counter() - begin:5.2f} s  "
        f"a copy of its own: {handed[0][1]}"
    )

    sums = [total for total, _ in handed]
    assert [total for total, _ in captured] == sums, "another sum"
    assert not handed[0][1], "the argument was copied"
    return sums
