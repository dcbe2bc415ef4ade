"""Out-of-date functions: a task goes on with what it took along.

A function is pickled when it is called as a task for the first time, with
the variables that it uses. What changes afterwards changes here only. The
same with a cell of a notebook that is run again: the tasks of the old cell
keep the old helper.

Watch: the factor is 3 here, and still 2 there. Two cures: hand over what
       changes, or decorate the function anew.
From:  Ray 0.2.2's documentation, on troubleshooting.
Next:  change the factor before the first call instead. Why is it new then?
"""


def main(ray, full=False):
    """Return what each way has computed."""
    factor = 2

    def scale(number):
        return factor * number

    @ray.remote
    def scale_by(factor, number):
        return factor * number

    stale = ray.remote(scale)
    first = ray.get(stale.remote(10))
    factor = 3

    here = scale(10)
    there = ray.get(stale.remote(10))
    handed = ray.get(scale_by.remote(factor, 10))
    anew = ray.get(ray.remote(scale).remote(10))
    print(f"before: {first}.  Now here: {here}, as a task: {there}")
    print(f"handed over: {handed}, decorated anew: {anew}")

    assert (first, here) == (20, 30), "Python has changed"
    assert there == 20, "the task saw the new factor"
    assert handed == anew == 30, "a cure failed"
    return first, there, handed, anew
