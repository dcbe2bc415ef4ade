"""`wait` in batches: work on what is there, but no longer than a time-out.

Twenty tasks take from no time to one second. `wait` gives the references
that are ready, and the rest; the driver works on some while the others run.

Watch: a batch is smaller than asked for if the time-out ends it. It is no
       error: what was not ready is in the rest, and comes later.
From:  Learning Ray, chapter 2; Ray 0.2.2's documentation.
Next:  set the time-out to 0: what does the loop become? Then leave it out.
"""

import time


def main(ray, full=False, *, tasks=20, batch=4, timeout=0.15):
    """Return the squares, in order."""
    longest = 1.0 if full else 0.4

    @ray.remote
    def square(number):
        time.sleep(longest * (number * 7 % tasks) / tasks)
        return number * number

    begin = time.perf_counter()
    rest = [square.remote(number) for number in range(tasks)]
    squares = []
    while rest:
        ready, rest = ray.wait(
            rest, num_returns=min(batch, len(rest)), timeout=timeout
        )
        seconds = time.perf_counter() - begin
        print(f"{seconds:5.2f} s  {len(ready)} ready, {len(rest)} to come")
        squares += ray.get(ready)

    assert sorted(squares) == [i * i for i in range(tasks)], "some are missing"
    return sorted(squares)
