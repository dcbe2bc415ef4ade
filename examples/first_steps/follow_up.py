"""Follow-up tasks: the second step of one item need not wait for the others.

Every item is fetched and then looked up. With a `get` between the steps, all
wait for the slowest fetch. Handed on as a reference, each item goes its way.

Watch: both times. With `get`: the slowest fetch plus the slowest look-up.
From:  Learning Ray, chapter 2.
Next:  the exercise of the book: hand the reference over in a list, and call
       `get` in `look_up`. What does the task hold while it waits?
"""

import time

SLOW_FIRST = (3, 1, 2, 1)  # turns that each fetch takes
SLOW_LAST = (1, 3, 1, 2)  # and each look-up


def main(ray, full=False):
    """Return what was looked up."""
    turn = 0.3 if full else 0.1

    @ray.remote
    def fetch(item):
        time.sleep(SLOW_FIRST[item] * turn)
        return item

    @ray.remote
    def look_up(item):
        time.sleep(SLOW_LAST[item] * turn)
        return item, "abcd"[item]

    begin = time.perf_counter()
    items = ray.get([fetch.remote(item) for item in range(4)])
    with_get = ray.get([look_up.remote(item) for item in items])
    print(f"get between the steps  {time.perf_counter() - begin:5.2f} s")

    begin = time.perf_counter()
    references = [fetch.remote(item) for item in range(4)]
    handed_on = ray.get([look_up.remote(item) for item in references])
    print(f"references handed on   {time.perf_counter() - begin:5.2f} s")

    assert with_get == handed_on == [(i, "abcd"[i]) for i in range(4)]
    return handed_on
