"""Handwritten digits, and a small network that reads them.

    x (B, 64) ─ w1, b1 ─ relu ─> (B, 32) ─ w2, b2 ─ softmax ─> (B, 10)

The data are the 1,797 images of 8 x 8 that scikit-learn ships (Alpaydin and
Kaynak, UCI 1998). Everything is float32; the gradient is written by hand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimr.interface.parameter_server import Weights

HIDDEN, CLASSES, TEST_EVERY = 32, 10, 5

Array = NDArray[np.float32]


class Digits(NamedTuple):
    """Images and what they show."""

    x: Array  # (N, 64) float32, from 0 to 1
    y: NDArray[np.int64]  # (N,)

    def part(self, number: int, of: int) -> Digits:
        """Return every `of`-th image, from `number` on."""
        return Digits(self.x[number::of], self.y[number::of])


def load_digits() -> tuple[Digits, Digits]:
    """Return the images to learn from, and those to test with: every fifth.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits  # here: it takes a second

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    tested = np.arange(len(y)) % TEST_EVERY == 0
    return Digits(x[~tested], y[~tested]), Digits(x[tested], y[tested])


def new_weights(inputs: int, seed: int) -> Weights:
    """Return random weights to begin with (He et al., ICCV 2015)."""
    rng = np.random.default_rng(seed)

    def layer(rows: int, columns: int) -> Array:
        drawn = rng.standard_normal((rows, columns), np.float32)
        scaled: Array = drawn * np.float32(np.sqrt(2 / rows))
        return scaled

    return {
        "w1": layer(inputs, HIDDEN),
        "b1": np.zeros(HIDDEN, np.float32),
        "w2": layer(HIDDEN, CLASSES),
        "b2": np.zeros(CLASSES, np.float32),
    }


def gradient(weights: Weights, digits: Digits) -> Weights:
    """Return the gradient of the mean cross-entropy."""
    hidden, probabilities = _forward(weights, digits.x)
    count = np.float32(len(digits.y))
    # d loss / d logits = (softmax - one-hot) / B
    d_logits = probabilities
    d_logits[np.arange(len(digits.y)), digits.y] -= 1
    d_logits /= count
    d_hidden = d_logits @ weights["w2"].T
    d_hidden[hidden <= 0] = 0  # relu
    return {
        "w1": digits.x.T @ d_hidden,
        "b1": d_hidden.sum(axis=0),
        "w2": hidden.T @ d_logits,
        "b2": d_logits.sum(axis=0),
    }


def loss_and_accuracy(weights: Weights, digits: Digits) -> tuple[float, float]:
    """Return the mean cross-entropy, and the share that is read correctly."""
    _, probabilities = _forward(weights, digits.x)
    right = probabilities[np.arange(len(digits.y)), digits.y]
    loss = -np.log(np.maximum(right, 1e-12)).mean()
    return float(loss), float((probabilities.argmax(1) == digits.y).mean())


def _forward(weights: Weights, x: Array) -> tuple[Array, Array]:
    hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)  # (B, 32)
    logits = hidden @ weights["w2"] + weights["b2"]  # (B, 10)
    logits -= logits.max(axis=1, keepdims=True)
    exp = np.exp(logits)
    return hidden, exp / exp.sum(axis=1, keepdims=True)
