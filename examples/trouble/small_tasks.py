"""Tasks that are too small: the work about them is more than the work in them.

A task costs some tenths of a millisecond: pickling, sockets, scheduling. One
that adds two numbers takes a thousand times what the loop takes. The cure is
a task that does many at once.

Watch: microseconds for each number, in the loop, alone, and in batches.
From:  Ray 0.2.2's documentation, on troubleshooting.
Next:  print the time against the size of a batch. From which size on is it
       faster than the loop, and what changes if `step` takes a millisecond?
"""

import time


def step(number):
    """Return a number that takes no time to compute."""
    return 2 * number + 1


def main(ray, full=False, *, batch=250):
    """Return the sum of all results."""
    count = 20_000 if full else 1_000
    numbers = list(range(count))

    @ray.remote
    def one(number):
        return step(number)

    @ray.remote
    def many(numbers):
        return [step(number) for number in numbers]

    def show(how, begin):
        seconds = time.perf_counter() - begin
        print(f"{how:18} {seconds:6.3f} s  {1e6 * seconds / count:8.1f} µs")

    begin = time.perf_counter()
    expected = [step(number) for number in numbers]
    show("a loop", begin)

    begin = time.perf_counter()
    alone = ray.get([one.remote(number) for number in numbers])
    show("a task for each", begin)

    begin = time.perf_counter()
    batches = [numbers[i : i + batch] for i in range(0, count, batch)]
    lists = ray.get([many.remote(part) for part in batches])
    batched = [result for part in lists for result in part]
    show(f"a task for {batch}", begin)

    assert alone == batched == expected, "another result"
    return sum(batched)
