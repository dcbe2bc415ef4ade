"""A deadlock: tasks that hold what the tasks need for which they wait.

A task that waits in `get` gives its CPU back, so tasks may be nested deeper
than there are CPUs. It keeps everything else: a GPU, a licence. If the child
asks for the same, both wait for ever.

Watch: `get` with a time-out is what shows it. The cure: do not wait while
       you hold it. Hand the reference over, so that the next task starts
       when the value is there.
From:  Ray 0.2.2's documentation: nested tasks and few CPUs.
Next:  two actors that call each other and `get`: who waits for whom? What
       changes if their methods are `async def`?
"""

CLUSTER = {"resources": {"scale": 1}}


def main(ray, full=False, *, depth=5, timeout=1.0):
    """Return what came of the three."""

    @ray.remote
    def nested(depth):
        return 0 if depth == 0 else 1 + ray.get(nested.remote(depth - 1))

    deep = ray.get(nested.remote(depth))
    cpus = ray.cluster_resources()["CPU"]
    print(f"{deep} tasks wait for each other on {cpus:.0f} CPUs")

    @ray.remote(num_cpus=0, resources={"scale": 1})
    def weigh(thing):
        return len(thing)

    @ray.remote(num_cpus=0, resources={"scale": 1})
    def compare(one, other):  # holds the scale, and waits for the scale
        return ray.get(weigh.remote(one)) - ray.get(weigh.remote(other))

    stuck = compare.remote("feather", "stone")
    try:
        ray.get(stuck, timeout=timeout)
        raise AssertionError("it got a second scale")
    except ray.exceptions.GetTimeoutError:
        print(f"waits for what it holds: nothing after {timeout} s")
    ray.cancel(stuck, force=True, recursive=True)

    @ray.remote(num_cpus=0)
    def difference(one, other):  # gets values, when both were weighed
        return one - other

    cured = difference.remote(weigh.remote("feather"), weigh.remote("stone"))
    weight = ray.get(cured, timeout=60)
    print(f"references handed over:  {weight}")

    assert deep == depth, "a task got lost"
    assert weight == len("feather") - len("stone"), "weighed wrongly"
    return deep, weight
