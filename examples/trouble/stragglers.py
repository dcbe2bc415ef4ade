"""Stragglers: the slowest task decides, if work is dealt out beforehand.

Twelve pieces of work, of which some take long. Dealt to the CPUs in advance,
one CPU may get the long ones, while the others are idle. In rounds, each
waits for its slowest. One task for each piece, and whoever is free takes the
next: the rest takes care of itself.

Watch: three times for the same work, and what none can be below.
From:  Ray 0.2.2's documentation, on tasks of variable duration; the lecture.
Next:  start the longest pieces first. Then let one piece never end, and
       start it a second time: whoever is first wins (a backup task, as in
       minimr/sockets/cluster/tracker.py).
"""

import time

TURNS = [4, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1]  # of each piece of work


def main(ray, full=False, *, cpus=4):
    """Return the work done in each way."""
    turn = 0.25 if full else 0.05

    @ray.remote
    def work(pieces):
        for turns in pieces:
            time.sleep(turns * turn)
        return sum(pieces)

    def dealt():
        share = len(TURNS) // cpus
        parts = [TURNS[i * share : (i + 1) * share] for i in range(cpus)]
        return ray.get([work.remote(part) for part in parts])

    def in_rounds():
        rounds = [TURNS[i::3] for i in range(3)]
        return [
            sum(ray.get([work.remote([piece]) for piece in pieces]))
            for pieces in rounds
        ]

    def one_by_one():
        return ray.get([work.remote([piece]) for piece in TURNS])

    done = []
    for name, way in [
        ("dealt beforehand", dealt),
        ("in rounds", in_rounds),
        ("a task for each", one_by_one),
    ]:
        begin = time.perf_counter()
        done.append(sum(way()))
        print(f"{name:17} {time.perf_counter() - begin:5.2f} s")
    best = max(sum(TURNS) / cpus, max(TURNS)) * turn
    print(f"{'at best':17} {best:5.2f} s")

    assert set(done) == {sum(TURNS)}, "some work was not done"
    return done
