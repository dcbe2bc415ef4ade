"""An actor is an object in a process of its own, and keeps its state.

Some counters are made. Each gets a number of calls and answers in the order
of the calls; those of different counters run at the same time.

Watch: one counter that is called twenty times takes as long as one by one,
       several counters share the calls, and overlap.
From:  Ray 0.2.2's documentation.
Next:  let two tasks increment the same counter: which orders are possible?
"""

import time


def main(ray, full=False, *, actors=4, calls=20):
    """Return what the counters say."""
    seconds = 0.1 if full else 0.02

    @ray.remote(num_cpus=0)  # they sleep: any number of them fits
    class Counter:
        def __init__(self):
            self.count = 0

        def increment(self):
            time.sleep(seconds)
            self.count += 1
            return self.count

    counters = [Counter.remote() for _ in range(actors)]
    ray.get([counter.increment.remote() for counter in counters])  # all live

    begin = time.perf_counter()
    one = ray.get([counters[0].increment.remote() for _ in range(calls)])
    print(f"one counter   {time.perf_counter() - begin:5.2f} s  {one}")

    begin = time.perf_counter()
    references = [
        counters[call % actors].increment.remote() for call in range(calls)
    ]
    many = ray.get(references)
    print(f"{actors} counters   {time.perf_counter() - begin:5.2f} s  {many}")

    assert one == list(range(2, calls + 2)), "a counter lost its place"
    return one, many
