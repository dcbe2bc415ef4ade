"""`get` in a loop: one task after the other, on a whole cluster.

`get` waits. A loop that starts a task and gets its result starts the next
one only then. Start all, then get: that is all there is to it.

Watch: both times. The first is that of no cluster at all.
From:  Learning Ray, chapter 2; Ray's documentation, on anti-patterns.
Next:  get the results one by one, but after all were started: how long does
       that take? And if the first is the slowest?
"""

import time


def main(ray, full=False, *, tasks=8):
    """Return the results."""
    seconds = 0.5 if full else 0.1

    @ray.remote
    def work(number):
        time.sleep(seconds)
        return number + 1

    begin = time.perf_counter()
    one_by_one = [ray.get(work.remote(number)) for number in range(tasks)]
    print(f"get in the loop     {time.perf_counter() - begin:5.2f} s")

    begin = time.perf_counter()
    references = [work.remote(number) for number in range(tasks)]
    together = ray.get(references)
    print(f"get after the loop  {time.perf_counter() - begin:5.2f} s")

    assert one_by_one == together, "another result"
    return together
