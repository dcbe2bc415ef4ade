"""Add in pairs: a tree of tasks is as deep as a logarithm.

    in a row: ((((((1 + 2) + 3) + 4) + 5) + 6) + 7) + 8      seven steps
    a tree:   ((1 + 2) + (3 + 4)) + ((5 + 6) + (7 + 8))      three steps

Both are n - 1 tasks. In a row each waits for the one before; in a tree
those of a level run at the same time.

Watch: the two times, and the three lines that make a tree of a row.
From:  Ray 0.2.2's documentation.
Next:  `values[2:] + [...]` takes from the front. Take from the end instead:
       is it still a tree? Draw it with `task_graph`.
"""

import time


def main(ray, full=False, *, count=8):
    """Return the sum, added in a row and as a tree."""
    seconds = 0.5 if full else 0.1

    @ray.remote
    def add(one, other):
        time.sleep(seconds)
        return one + other

    begin = time.perf_counter()
    row = 1
    for number in range(2, count + 1):
        row = add.remote(row, number)
    in_a_row = ray.get(row)
    print(f"in a row  {time.perf_counter() - begin:5.2f} s")

    begin = time.perf_counter()
    values = list(range(1, count + 1))
    while len(values) > 1:
        values = [*values[2:], add.remote(values[0], values[1])]
    as_tree = ray.get(values[0])
    print(f"a tree    {time.perf_counter() - begin:5.2f} s")

    assert in_a_row == as_tree == sum(range(1, count + 1)), "a wrong sum"
    return in_a_row, as_tree
