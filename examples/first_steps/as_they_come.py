"""Results as they come: use the first that is ready, not the first in line.

Tasks of different length are started in one order and end in another. `get`
of the list shows nothing until the last has ended. A loop of `wait` has each
result the moment it exists.

Watch: when the first result is there, in either way.
From:  Ray 0.2.2's documentation; the lecture: wait for the first k.
Next:  stop when half of the results are there, and `ray.cancel` the rest.
"""

import time


def main(ray, full=False):
    """Return the results in the order in which they came."""
    step = 0.5 if full else 0.15

    @ray.remote
    def work(turns):
        time.sleep(turns * step)
        return turns

    order = [4, 1, 3, 2]

    begin = time.perf_counter()
    together = ray.get([work.remote(turns) for turns in order])
    print(f"get:  {together} after {time.perf_counter() - begin:.2f} s")

    begin = time.perf_counter()
    rest = [work.remote(turns) for turns in order]
    came = []
    while rest:
        (ready,), rest = ray.wait(rest)
        came.append(ray.get(ready))
        print(f"wait: {came[-1]} after {time.perf_counter() - begin:.2f} s")

    assert together == order, "get keeps the order of its list"
    return sorted(came)  # on a busy machine they may come in another order
