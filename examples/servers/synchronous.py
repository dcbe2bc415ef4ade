"""A synchronous parameter server: one round of all workers after the other.

    server ── weights ──> worker 0 ── gradient ──┐
           ── weights ──> worker 1 ── gradient ──┴─> server: the mean, a step

The references are handed from task to actor and back: the driver starts all
rounds at once, and no gradient comes to it.

Watch: the result is that of one process, for the mean of the gradients of
       equal parts is the gradient of the whole.
From:  Ray 0.2.2's documentation. Beside it, with more workers than memory:
       minimr/sockets/parameter_server.py.
Next:  make one worker slow: what do the others do? See `asynchronous`.
"""

import numpy as np

from examples.servers._softmax import accuracy, gradient, load_digits


def serial(images, labels, steps, rate):
    """Return the weights that one process learns."""
    weights = np.zeros((64, 10))
    for _ in range(steps):
        weights = weights - rate * gradient(weights, images, labels)
    return weights


def main(ray, full=False, *, workers=3, rate=2.0):
    """Return how many images are told right."""
    steps = 300 if full else 30
    images, labels = load_digits()
    count = len(images) // workers * workers  # in equal parts
    images, labels = images[:count], labels[:count]

    @ray.remote
    class ParameterServer:
        def __init__(self):
            self.weights = np.zeros((64, 10))

        def get_weights(self):
            return self.weights

        def apply(self, *gradients):
            mean = sum(gradients) / len(gradients)
            self.weights = self.weights - rate * mean
            return self.weights

    compute = ray.remote(gradient)
    parts = [
        (ray.put(images[i::workers]), ray.put(labels[i::workers]))
        for i in range(workers)
    ]

    server = ParameterServer.remote()
    weights = server.get_weights.remote()
    for _ in range(steps):
        gradients = [compute.remote(weights, *part) for part in parts]
        weights = server.apply.remote(*gradients)
    learned = ray.get(weights)

    right = accuracy(learned, images, labels)
    print(f"{steps} rounds of {workers} workers: {right:.1%} are right")
    expected = serial(images, labels, steps, rate)
    assert np.allclose(learned, expected), "one process learns otherwise"
    assert right > 0.85, "it has not learned"
    return right
