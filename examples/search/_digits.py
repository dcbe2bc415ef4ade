"""A network that reads digits, and its hyperparameters: shared here.

    x (B, 64) ─ w1, b1 ─ relu ─> (B, H) ─ w2, b2 ─ softmax ─> (B, 10)

The data are the 1,797 images of 8 x 8 that scikit-learn ships. A trial is a
configuration, a network that is trained with it, and its reports.
"""

import time

import numpy as np


def load_digits():
    """Return images and labels to learn from, and others to test with."""
    from sklearn.datasets import load_digits  # in the driver: takes a second

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = (x[order] / 16).astype(np.float32), y[order]
    return x[400:], y[400:], x[:400], y[:400]


def draw(rng):
    """Return a configuration by chance."""
    return {
        "rate": float(10 ** rng.uniform(-3, 0.5)),
        "momentum": float(rng.uniform(0, 0.95)),
        "hidden": int(2 ** rng.integers(2, 8)),
        "batch": int(2 ** rng.integers(3, 8)),
    }


def say(config):
    """Return a configuration in one line."""
    return "  ".join(f"{name} {value:.3g}" for name, value in config.items())


class Network:
    """A network in training. It can travel between tasks."""

    def __init__(self, config, seed=0):
        self.config = config
        self.rng = np.random.default_rng(seed)
        hidden = config["hidden"]
        self.weights = [
            self.rng.normal(0, 0.2, (64, hidden)).astype(np.float32),
            np.zeros(hidden, np.float32),
            self.rng.normal(0, 0.2, (hidden, 10)).astype(np.float32),
            np.zeros(10, np.float32),
        ]
        self.speeds = [np.zeros_like(weight) for weight in self.weights]

    def forward(self, x):
        """Return what the hidden layer and the output say of images."""
        w1, b1, w2, b2 = self.weights
        hidden = np.maximum(x @ w1 + b1, 0)
        scores = hidden @ w2 + b2
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, odds / odds.sum(axis=1, keepdims=True)

    def step(self, x, y):
        """Go one step down the gradient of the mean cross-entropy."""
        hidden, error = self.forward(x)
        error[np.arange(len(y)), y] -= 1
        error /= len(y)
        back = error @ self.weights[2].T * (hidden > 0)
        gradients = x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)
        # Not in place: weights that have travelled are in the store, where
        # others may read them as well, and nobody can write.
        for i, gradient in enumerate(gradients):
            speed = self.config["momentum"] * self.speeds[i] + gradient
            self.speeds[i] = speed
            self.weights[i] = self.weights[i] - self.config["rate"] * speed

    def train(self, data, images):
        """See so many images; return the report of it."""
        x, y, test_x, test_y = data
        begin = time.time()
        for _ in range(images // self.config["batch"]):
            some = self.rng.integers(len(y), size=self.config["batch"])
            self.step(x[some], y[some])
        right = self.forward(test_x)[1].argmax(axis=1) == test_y
        return {
            "config": dict(self.config),
            "accuracy": float(right.mean()),
            "begin": begin,
            "end": time.time(),
        }
