"""A tracker whose handle travels: tasks and another actor tell it.

Tasks throw darts at a square to estimate pi, and tell the tracker how far
they are. A watcher, an actor itself, has the handle as well, and asks. All
talk to the tracker directly; the driver only made it.

Watch: the progress comes while the tasks run. Calls of one task arrive in
       their order; those of different tasks in any.
From:  Learning Ray, chapter 2; Ray 0.2.2's documentation.
Next:  let the tracker stop the tasks when pi is known to two digits: what
       has `report` to return?
"""

import random
import time


def main(ray, full=False, *, tasks=4, rounds=5):
    """Return the darts inside of the circle."""
    darts = 400_000 if full else 50_000

    @ray.remote
    class Tracker:
        def __init__(self):
            self.thrown = {}

        def report(self, task, thrown):
            self.thrown[task] = thrown

        def fraction(self):
            return sum(self.thrown.values()) / (tasks * rounds * darts)

    @ray.remote
    class Watcher:
        def __init__(self, tracker):
            self.tracker = tracker

        def look(self):
            return ray.get(self.tracker.fraction.remote())

        def watch(self):
            seen = [self.look()]
            while seen[-1] < 1:
                time.sleep(0.01)
                seen.append(self.look())
            return seen

    @ray.remote
    def throw(task, tracker):
        chance = random.Random(task)
        inside = 0
        for number in range(1, rounds + 1):
            for _ in range(darts):
                inside += chance.random() ** 2 + chance.random() ** 2 <= 1
            tracker.report.remote(task, number * darts)
        return inside

    tracker = Tracker.remote()
    watcher = Watcher.remote(tracker)
    ray.get(watcher.look.remote())  # both live
    seen = watcher.watch.remote()
    inside = sum(ray.get([throw.remote(i, tracker) for i in range(tasks)]))
    seen = ray.get(seen)
    shown = " ".join(f"{100 * part:.0f}%" for part in sorted(set(seen)))
    print(f"the watcher saw {shown}")
    pi = 4 * inside / (tasks * rounds * darts)
    print(f"pi is about {pi:.4f}")

    assert seen == sorted(seen), "the progress went back"
    assert abs(pi - 3.1416) < 0.02, "those were no darts"
    return inside
