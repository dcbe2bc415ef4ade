"""Tasks overlap: what takes a second each, takes a second together.

A function is called as it is, and then as a task. `remote` gives a reference
at once; the work goes on in other processes, and `get` waits for its result.

Watch: eight calls of 0.2 s, one after the other and on four CPUs.
From:  Ray 0.2.2's documentation; Learning Ray, chapter 2.
Next:  call `get` inside of the list: `[ray.get(slow.remote(i)) for ...]`.
       What is the time now, and why?
"""

import time


def square_slowly(number, seconds):
    """Return a square, later."""
    time.sleep(seconds)
    return number * number


def main(ray, full=False, *, calls=8):
    """Return the squares."""
    seconds = 1.0 if full else 0.2

    begin = time.perf_counter()
    expected = [square_slowly(i, seconds) for i in range(calls)]
    print(f"one by one  {time.perf_counter() - begin:5.2f} s")

    slow = ray.remote(square_slowly)
    begin = time.perf_counter()
    references = [slow.remote(i, seconds) for i in range(calls)]
    print(f"started     {time.perf_counter() - begin:5.2f} s")
    squares = ray.get(references)
    print(f"as tasks    {time.perf_counter() - begin:5.2f} s   {squares}")

    assert squares == expected, "the tasks computed something else"
    return squares
