"""`put` once instead of ten times by value.

Ten tasks read the same large array. Handed over as it is, it is pickled and
stored with every call. After one `put`, calls carry a reference of some
bytes, and all tasks of a machine read the same memory.

Watch: both times: the array is stored ten times, or once.
From:  Ray 0.2.2's documentation.
Next:  capture the array in the function instead, as a closure: see
       `large_closures`.
"""

import time

import numpy as np


def main(ray, full=False, *, megabytes=20, tasks=10):
    """Return the sums that the tasks computed."""
    megabytes = 10 * megabytes if full else megabytes
    array = np.ones(megabytes * 125_000)

    @ray.remote
    def total(array, factor):
        return factor * float(array.sum())

    begin = time.perf_counter()
    by_value = ray.get([total.remote(array, i) for i in range(tasks)])
    print(f"{tasks} times by value  {time.perf_counter() - begin:5.2f} s")

    begin = time.perf_counter()
    stored = ray.put(array)
    put_once = ray.get([total.remote(stored, i) for i in range(tasks)])
    print(f"put once          {time.perf_counter() - begin:5.2f} s")

    assert by_value == put_once == [i * array.size for i in range(tasks)]
    return put_once
