"""A sharded parameter server: each server has a part of the weights.

    worker ── gradient[:32] ──> server 0       weights[:32]
           ── gradient[32:] ──> server 1       weights[32:]

One server takes the gradients of all workers: its machine's network is the
limit. Two servers share it. A task of `num_returns=2` cuts its gradient, and
each part goes to its server, past the driver.

Watch: how many bytes each server takes in a round.
From:  Ray 0.2.2's documentation. Beside it, by names and their bytes:
       minimr/shared/parameter_server/weights.py.
Next:  cut by columns instead. Then: which cut is fair if some rows are
       always zero?
"""

import numpy as np

from examples.servers._softmax import accuracy, gradient, load_digits
from examples.servers.synchronous import serial


def main(ray, full=False, *, servers=2, workers=2, rate=2.0):
    """Return how many images are told right."""
    steps = 300 if full else 30
    images, labels = load_digits()
    count = len(images) // workers * workers
    images, labels = images[:count], labels[:count]

    @ray.remote
    class Shard:
        def __init__(self, weights):
            self.weights = weights

        def get_weights(self):
            return self.weights

        def apply(self, *gradients):
            mean = sum(gradients) / len(gradients)
            self.weights = self.weights - rate * mean
            return self.weights

    @ray.remote
    def compute(images, labels, *shards):
        whole = gradient(np.concatenate(shards), images, labels)
        parts = np.array_split(whole, servers)
        return parts if servers > 1 else parts[0]

    start = np.array_split(np.zeros((64, 10)), servers)
    shards = [Shard.remote(part) for part in start]
    parts = [
        (ray.put(images[i::workers]), ray.put(labels[i::workers]))
        for i in range(workers)
    ]

    weights = [shard.get_weights.remote() for shard in shards]
    for _ in range(steps):
        rows = [
            compute.options(num_returns=servers).remote(*part, *weights)
            for part in parts
        ]
        if servers == 1:  # one result is no list
            rows = [[row] for row in rows]
        weights = [
            shard.apply.remote(*column)
            for shard, column in zip(
                shards, zip(*rows, strict=True), strict=True
            )
        ]
    learned = np.concatenate(ray.get(weights))

    right = accuracy(learned, images, labels)
    sizes = [part.nbytes * workers for part in start]
    print(f"bytes that each server takes in a round: {sizes}")
    print(f"{steps} rounds of {workers} workers: {right:.1%} are right")
    expected = serial(images, labels, steps, rate)
    assert np.allclose(learned, expected), "one process learns otherwise"
    return right
