"""An actor that does several things at once: async methods, or threads.

An actor takes its calls one by one. If its methods are `async def`, it takes
the next call while one awaits; with `max_concurrency`, each call runs in a
thread. Both are still one process: it can wait for many, compute for one.

Watch: the three times, and the counter without a lock: between two awaits an
       async method is alone, a thread never is.
From:  Learning Ray, chapter 2, and today's documentation of Ray.
Next:  let the calls compute instead of sleep. Which of the times changes?
"""

import asyncio
import threading
import time


def main(ray, full=False, *, calls=8):
    """Return how many calls each actor has counted."""
    seconds = 0.3 if full else 0.1

    @ray.remote
    class Plain:
        count = 0

        def work(self):
            time.sleep(seconds)
            self.count += 1
            return self.count

    @ray.remote
    class Async:
        count = 0

        async def work(self):
            await asyncio.sleep(seconds)
            self.count += 1  # nobody comes between: there is no await
            return self.count

    @ray.remote(max_concurrency=4)
    class Threaded:
        def __init__(self):
            self.count = 0
            self.lock = threading.Lock()

        def work(self):
            time.sleep(seconds)
            with self.lock:
                self.count += 1
                return self.count

    counts = []
    kinds = {"plain": Plain, "async": Async, "threaded": Threaded}
    for name, kind in kinds.items():
        actor = kind.remote()
        ray.get(actor.work.remote())  # it lives
        begin = time.perf_counter()
        results = ray.get([actor.work.remote() for _ in range(calls)])
        taken = time.perf_counter() - begin
        print(f"{name:8} {taken:5.2f} s  {results}")
        counts.append(max(results))

    assert counts == [calls + 1] * 3, "calls were counted twice"
    return counts
