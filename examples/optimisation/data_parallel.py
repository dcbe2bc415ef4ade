"""Data-parallel training: each worker has a part of every batch.

A ResNet learns digits, or CIFAR-10: `--cifar FOLDER`, with its `data_batch_*`.
All workers have the same weights, each computes the gradient of its part, and
the mean of these makes the step. The mean can be computed in two ways:

    server    workers ── gradients ──> server ── weights ──> workers
    ring      worker 0 ─> 1 ─> 2 ─> 0: a gradient is cut into as many pieces as
              there are workers. Each piece goes round once to be added up, and
              once more to be known; nobody carries more than the others.

Watch: both end with the weights of one process that adds in the same order,
       to the last bit. `apart` is what the order does: 0 for two workers.
From:  Ray 0.2.2's documentation, "ResNet" (ring: Patarasuk and Yuan, 2009).
Next:  run it with four workers. How many bytes does each one send in a round,
       and how many does the server?
"""

import time

import numpy as np

from examples.optimisation._resnet import load_pictures, new_network

RATE, MOMENTUM = 0.05, 0.9


class Descent:
    """The weights, flat (D,) float32, and how they go down."""

    def __init__(self, weights):
        self.weights, self.speed = weights, np.zeros_like(weights)

    def step(self, gradient):
        """Return the weights after a step."""
        self.speed = MOMENTUM * self.speed + gradient
        self.weights = self.weights - RATE * self.speed
        return self.weights

    def push(self, *gradients):
        """Return the weights after a step with the mean: be a server."""
        return self.step(server_mean(gradients))


class Worker:
    """A network and its part of the pictures."""

    def __init__(self, width, x, y, batch, workers):
        self.network = new_network(x.shape[1], width)
        self.x, self.y, self.batch, self.workers = x, y, batch, workers

    def restart(self, weights):
        """Begin again with these weights, at the first picture."""
        self.descent, self.at = Descent(weights), 0

    def gradient(self, weights):
        """Return the gradient of the next batch, (D,) float32."""
        some = (self.at + np.arange(self.batch)) % len(self.y)
        self.at += self.batch
        self.network.weights = weights
        return self.network.gradient(self.x[some], self.y[some])

    def begin(self, number):
        """Compute the gradient; return one of its pieces, for the ring."""
        whole = self.gradient(self.descent.weights)
        self.pieces = np.array_split(whole, self.workers)
        return self.pieces[number]

    def add(self, number, piece):
        """Return a piece of the others with our own added."""
        return self.know(number, piece + self.pieces[number])

    def know(self, number, piece):
        """Keep a piece; return it."""
        self.pieces[number] = piece
        return piece

    def finish(self):
        """Make the step with the mean; return the weights."""
        mean = np.concatenate(self.pieces) / np.float32(self.workers)
        return self.descent.step(mean)


def server_mean(gradients):
    """Return the mean, added from the first worker to the last."""
    return sum(gradients[1:], gradients[0]) / np.float32(len(gradients))


def ring_mean(gradients):
    """Return the mean, piece k added from worker k onwards."""
    count = len(gradients)
    pieces = [np.array_split(gradient, count) for gradient in gradients]
    means = [
        server_mean([pieces[(k + hop) % count][k] for hop in range(count)])
        for k in range(count)
    ]
    return np.concatenate(means)


def by_server(ray, team, weights, steps):
    """Return the weights after some steps, by way of a server."""
    server = ray.remote(Descent).remote(weights)
    for _ in range(steps):
        gradients = [worker.gradient.remote(weights) for worker in team]
        weights = server.push.remote(*gradients)  # a reference
    return ray.get(weights)


def by_ring(ray, team, weights, steps):
    """Return the weights after some steps, by way of a ring."""
    count = len(team)
    for _ in range(steps):
        pieces = [worker.begin.remote(k) for k, worker in enumerate(team)]
        for hop in range(1, 2 * count - 1):
            for k in range(count):
                worker = team[(k + hop) % count]
                method = worker.add if hop < count else worker.know
                pieces[k] = method.remote(k, pieces[k])
        weights, *_ = [worker.finish.remote() for worker in team]
    return ray.get(weights)


def serial(parts, weights, steps, mean):
    """Return the weights after some steps, of one process."""
    workers, descent = [Worker(*part) for part in parts], Descent(weights)
    for worker in workers:
        worker.restart(weights)
    for _ in range(steps):
        gradients = [worker.gradient(descent.weights) for worker in workers]
        descent.step(mean(gradients))
    return descent.weights


def main(ray, full=False, *, workers=2, steps=0, batch=32, cifar=""):
    """Return the weights that the server and the ring end with."""
    steps, width = steps or (150 if full else 3), 16 if full else 4
    x, y = load_pictures(cifar)
    tests = len(y) // 5
    parts = [
        (width, x[first::workers], y[first::workers], batch, workers)
        for first in range(tests, tests + workers)
    ]
    network = new_network(x.shape[1], width)
    start = network.weights
    print(f"{len(start):,} weights, {workers} workers, {steps} steps")

    team = [ray.remote(Worker).remote(*part) for part in parts]
    ways = {"server": (by_server, server_mean), "ring": (by_ring, ring_mean)}
    ends = {}
    for name, (train, mean) in ways.items():
        ray.get([worker.restart.remote(start) for worker in team])
        begin = time.perf_counter()
        network.weights = ends[name] = train(ray, team, start, steps)
        seconds = time.perf_counter() - begin
        right = network.accuracy(x[:tests], y[:tests])
        print(f"{name:6}  {seconds:6.2f} s   {right:.1%} right")
        alone = serial(parts, start, steps, mean)
        assert np.array_equal(ends[name], alone), "one process differs"
    print(f"apart   {np.abs(ends['server'] - ends['ring']).max():.1e}")
    return ends
