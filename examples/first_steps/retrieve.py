"""A slow database, read by tasks, watched by an actor: the verbs together.

    driver ── put(database) ──> store <── retrieve(i) ── get_next(i)
                                              │ counts
                                              v
                                           Tracker

`retrieve` sleeps longer for later items. Seen in turn: a loop; tasks; the
database put once; `wait` in twos with a time-out; a follow-up task for each
result; an actor that counts, and whose handle travels to the tasks.

Watch: the time of each step, and what it changes in three lines of code.
From:  Learning Ray, chapter 2.
Next:  the exercise of the book: let `follow_up` take a list of references
       and get them explicitly.
"""

import time

DATABASE = ["every", "item", "of", "this", "list", "takes", "its", "time"]


def retrieve(item, database, turn):
    """Return an item of the database, later."""
    time.sleep(item * turn)
    return item, database[item]


def main(ray, full=False):
    """Return what was retrieved, and how often the tracker was told."""
    turn = 0.1 if full else 0.04
    items = range(len(DATABASE))

    def show(step, begin, data):
        words = " ".join(word for _, word in sorted(data))
        print(f"{step:22} {time.perf_counter() - begin:5.2f} s  {words}")

    begin = time.perf_counter()
    expected = [retrieve(item, DATABASE, turn) for item in items]
    show("a loop", begin, expected)

    task = ray.remote(retrieve)
    begin = time.perf_counter()
    data = ray.get([task.remote(item, DATABASE, turn) for item in items])
    show("tasks", begin, data)

    database = ray.put(DATABASE)
    begin = time.perf_counter()
    rest = [task.remote(item, database, turn) for item in items]
    data = []
    while rest:
        ready, rest = ray.wait(rest, num_returns=2, timeout=7.0)
        data += ray.get(ready)
        show(f"  {len(data)} of {len(items)}", begin, data)
    assert sorted(data) == expected, "items are missing"

    @ray.remote
    class Tracker:
        def __init__(self):
            self.counts = 0

        def increment(self):
            self.counts += 1

        def get_counts(self):
            return self.counts

    @ray.remote
    def follow_up(found, tracker, database):
        item, word = found  # its reference was resolved
        ray.get(tracker.increment.remote())
        following = (item + 1) % len(database)
        return (item, word), (following, database[following])

    tracker = Tracker.remote()
    begin = time.perf_counter()
    found = [task.remote(item, database, turn) for item in items[::2]]
    pairs = [follow_up.remote(one, tracker, database) for one in found]
    data = [item for pair in ray.get(pairs) for item in pair]
    show("with follow-ups", begin, data)
    counts = ray.get(tracker.get_counts.remote())
    print(f"the tracker was told {counts} times")

    assert sorted(data) == expected, "a follow-up found something else"
    return data, counts
