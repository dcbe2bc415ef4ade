"""Resources of your own: how many may do something at the same time.

A cluster may say that it has two licences, and a task that it needs one. The
engine counts, as with CPUs: two run, the others wait. What a licence is, it
does not know. On a real cluster, it keeps tasks at the node that has it.

Watch: how many hold a licence at once; the halves of `num_cpus=0.5` too.
From:  Ray 0.2.2's documentation.
Next:  ask for three licences. Which engine says what, and when?
"""

import time

CLUSTER = {"resources": {"licence": 2}}


def most_at_once(times):
    """Return how many of the (begin, end) overlap at most."""
    changes = [(begin, 1) for begin, _ in times] + [
        (end, -1) for _, end in times
    ]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def main(ray, full=False, *, tasks=6):
    """Return how many licences and half licences were in use at once."""
    seconds = 0.5 if full else 0.1

    def work():
        begin = time.time()
        time.sleep(seconds)
        return begin, time.time()

    print(f"there are {ray.cluster_resources()['licence']:.0f} licences")

    def with_licences(share):
        needs = {"num_cpus": 0, "resources": {"licence": share}}
        return ray.remote(work).options(**needs)

    licensed = with_licences(1)
    whole = most_at_once(ray.get([licensed.remote() for _ in range(tasks)]))
    print(f"{tasks} tasks with one each: {whole} at once")

    shared = with_licences(0.5)
    halves = most_at_once(ray.get([shared.remote() for _ in range(tasks)]))
    print(f"{tasks} tasks with half of one: {halves} at once")

    @ray.remote(num_cpus=0, resources={"licence": 1})
    class Holder:  # holds it for as long as it lives
        def held(self):
            return ray.available_resources().get("licence", 0)

    holder = Holder.remote()
    ray.get(holder.held.remote())
    rest = most_at_once(ray.get([licensed.remote() for _ in range(3)]))
    print(f"beside an actor that holds one: {rest} at once")

    assert whole <= 2, "more licences than there are"
    assert halves <= 4, "more half licences than there are"
    assert rest == 1, "the actor's licence was given away"
    return rest
