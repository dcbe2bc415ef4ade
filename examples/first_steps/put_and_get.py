"""`put` stores a value, `get` brings it back: one, or a list of them.

Values of any kind go into the object store. An array comes back without a
copy: whoever gets it reads the same shared memory, and so nobody may write.

Watch: the second `get` of the same array takes no time, and what happens
       when the program writes into what it got.
From:  Ray 0.2.2's documentation.
Next:  put a list of a million numbers instead of an array. Why does its
       `get` take longer than that of the array?
"""

import time

import numpy as np


def main(ray, full=False, *, megabytes=50):
    """Return what came back."""
    megabytes = 10 * megabytes if full else megabytes

    text = ray.put("any value")
    numbers = [ray.put(i) for i in range(5)]
    print(ray.get(text), ray.get(numbers))

    array = np.arange(megabytes * 125_000)  # of 8 bytes
    begin = time.perf_counter()
    reference = ray.put(array)
    print(f"put {megabytes} MB       {time.perf_counter() - begin:7.4f} s")

    begin = time.perf_counter()
    first, second = ray.get(reference), ray.get(reference)
    print(f"get it twice    {time.perf_counter() - begin:7.4f} s")
    assert np.array_equal(first, array), "another array came back"
    assert np.shares_memory(first, second), "there are two copies"

    try:
        first[0] = 1
    except ValueError as error:
        print(f"write into it   {error}")
    mine = first.copy()  # this one is ours
    mine[0] = 1

    return ray.get([text, *numbers]), int(second[0]), int(mine[0])
