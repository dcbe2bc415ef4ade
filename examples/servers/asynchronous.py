"""An asynchronous parameter server: nobody waits for anybody.

    worker:  pull ─> gradient ─> push ─> pull ─> ...      each at its pace
    server:  {"0": column 0, "1": ...}, and adds what comes, when it comes

A worker is a task with a loop; the server is an actor whose handle it has.
Weights are stored by key, as in the parameter servers of that time.

Watch: the slow worker pushes less often, and the others lose no time. What
       it pushes was computed from weights that are old by then.
From:  Ray 0.2.2's documentation. Beside it, with a bound for how old:
       minimr/shared/parameter_server/rounds.py.
Next:  count by how many pushes a worker's weights are behind, and print it.
"""

import time

import numpy as np

from examples.servers._softmax import accuracy, gradient, load_digits

KEYS = [str(digit) for digit in range(10)]


def main(ray, full=False, *, workers=3, rate=0.5):
    """Return nothing: every run is another one."""
    total = 3_000 if full else 200  # pushes, of all workers together
    images, labels = load_digits()

    @ray.remote
    class ParameterServer:
        def __init__(self):
            self.values = {key: np.zeros(64) for key in KEYS}
            self.pushes = 0

        def push(self, keys, updates):
            self.pushes += 1
            for key, update in zip(keys, updates, strict=True):
                self.values[key] = self.values[key] + update
            return self.pushes

        def pull(self, keys):
            return [self.values[key] for key in keys]

        def count(self):
            return self.pushes

    @ray.remote
    def worker(server, images, labels, delay):
        mine = all_pushes = 0
        while all_pushes < total:
            pulled = ray.get(server.pull.remote(KEYS))
            change = gradient(np.stack(pulled, axis=1), images, labels)
            time.sleep(delay)
            push = server.push.remote(KEYS, list(-rate * change.T))
            all_pushes, mine = ray.get(push), mine + 1
        return mine

    server = ParameterServer.remote()
    ray.get(server.count.remote())  # it lives
    delays = [0.0] * (workers - 1) + [0.1]  # the last one is slow
    running = [
        worker.remote(server, images[i::workers], labels[i::workers], delay)
        for i, delay in enumerate(delays)
    ]
    pushes = ray.get(running)
    learned = np.stack(ray.get(server.pull.remote(KEYS)), axis=1)

    right = accuracy(learned, images, labels)
    print(f"pushes of each worker: {pushes}; {right:.1%} are right")
    assert sum(pushes) == ray.get(server.count.remote()), "pushes were lost"
    assert right > 0.7, "it has not learned"
