"""Errors travel like results: `get` raises what the task raised.

A task fails in another process. Its error is the value of its reference; it
goes on to every task that takes the reference, and is raised where somebody
gets it. `wait` raises nothing: a failed task is ready.

Watch: the error that the driver sees names the line of the task; a task of
       which an argument failed does not run at all.
From:  Ray 0.2.2's documentation.
Next:  leave out the `get` of a failed task: what is shown, and when?
"""

from fractions import Fraction


def main(ray, full=False):
    """Return what was raised."""

    @ray.remote
    def divide(one, other):
        return Fraction(one, other)

    @ray.remote
    def double(number):
        return 2 * number

    good, bad = divide.remote(1, 2), divide.remote(1, 0)
    print(f"a result:         {ray.get(double.remote(good))}")

    raised = []
    for reference in (bad, double.remote(bad)):
        ready, _ = ray.wait([reference], timeout=30)
        assert ready, "a failed task is ready as well"
        try:
            ray.get(reference)
        except ZeroDivisionError as error:  # it is a RayTaskError as well
            print(f"raised by get:    {error.cause!r}")
            raised.append(str(error.cause))
        else:
            raise AssertionError("the error got lost")

    attempts = ray.get(retried(ray))
    print(f"tried again:      it worked at attempt {attempts}")
    assert raised == ["Fraction(1, 0)"] * 2, "other errors came"
    return raised, attempts


def retried(ray):
    """Return a task that fails twice, and is tried again each time."""

    @ray.remote(num_cpus=0)
    class Attempts:
        def __init__(self):
            self.count = 0

        def next(self):
            self.count += 1
            return self.count

    @ray.remote(max_retries=3, retry_exceptions=[ConnectionError])
    def connect(attempts):
        attempt = ray.get(attempts.next.remote())
        if attempt < 3:
            raise ConnectionError("nobody answers")
        return attempt

    return connect.remote(Attempts.remote())
