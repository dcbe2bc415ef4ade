"""A helper may be defined after the function that calls it.

A function travels when it is called for the first time, not when it is
decorated, and takes along what it needs by then. So order in the file does
not matter, as in Python. In 2017 this was an error.

Watch: `area` is decorated before `square` exists.
From:  Ray 0.2.2's documentation, on troubleshooting.
Next:  change `square` after the first call: see `stale_functions`.
"""


def main(ray, full=False):
    """Return what the task computed with its helpers."""

    @ray.remote
    def area(radius):
        return 3 * square(radius)

    def square(number):
        return number * number

    @ray.remote
    def even(number):  # two that call each other, each as a task
        return True if number == 0 else ray.get(odd.remote(number - 1))

    @ray.remote
    def odd(number):
        return False if number == 0 else ray.get(even.remote(number - 1))

    results = ray.get([area.remote(2), even.remote(2), even.remote(1)])
    print(f"area: {results[0]}; 2 is even: {results[1]}, 1: {results[2]}")
    assert results == [12, True, False], "a helper was missing"
    return results
