"""Batch L-BFGS: SciPy minimises a loss that many actors compute.

Each actor has a part of the digits and keeps it. For every point at which
SciPy wants to know the loss, the weights are put into the store once, each
actor computes loss and gradient of its part, and the driver adds them up.

Watch: the loss of all data, and that it ends where SciPy ends without actors.
From:  Ray 0.2.2's documentation, "Batch L-BFGS".
Next:  let the actors add in pairs (see `tree_reduce`), so that the driver gets
       one gradient and not one from each. Is the loss still equal?
"""

import numpy as np

CLASSES, PENALTY = 10, 1e-4


class Part:
    """A part of the data, and the loss of softmax regression on it."""

    def __init__(self, x, y):
        self.x = x  # (B, 65) float64
        self.y = y  # (B,)

    def loss_and_gradient(self, weights):
        """Return the sum of the cross-entropies, and its gradient."""
        scores = self.x @ weights.reshape(-1, CLASSES)
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        odds /= odds.sum(axis=1, keepdims=True)
        rows = np.arange(len(self.y))
        loss = -np.log(odds[rows, self.y]).sum()
        odds[rows, self.y] -= 1
        return loss, (self.x.T @ odds).ravel()


def fit(ask, size, steps):
    """Return SciPy's minimum; `ask` returns loss and gradient of each part."""
    from scipy.optimize import minimize  # here: the actors do not need it

    losses = []

    def loss_and_gradient(weights):
        losses_of, gradients = zip(*ask(weights), strict=True)
        loss = sum(losses_of) / size + PENALTY * weights @ weights
        losses.append(float(loss))
        return loss, sum(gradients) / size + 2 * PENALTY * weights

    start = np.zeros(65 * CLASSES)
    found = minimize(
        loss_and_gradient,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps},
    )
    return found.x, losses


def main(ray, full=False, *, actors=4, steps=0):
    """Return the losses on the way."""
    from sklearn.datasets import load_digits

    steps = steps or (500 if full else 20)
    x, y = load_digits(return_X_y=True)
    x = np.column_stack([x / 16, np.ones(len(y))])  # the last weight: bias
    parts = [(x[i::actors], y[i::actors]) for i in range(actors)]

    team = [ray.remote(Part).remote(*part) for part in parts]

    def ask_actors(weights):
        shared = ray.put(weights)
        return ray.get([one.loss_and_gradient.remote(shared) for one in team])

    weights, losses = fit(ask_actors, len(y), steps)
    for number in range(0, len(losses), max(1, len(losses) // 8)):
        print(f"evaluation {number:4}  loss {losses[number]:.6f}")
    right = (x @ weights.reshape(-1, CLASSES)).argmax(axis=1) == y
    print(f"at the end       loss {losses[-1]:.6f}, {right.mean():.1%} right")

    here = [Part(*part) for part in parts]
    _, serial = fit(
        lambda weights: [part.loss_and_gradient(weights) for part in here],
        len(y),
        steps,
    )
    assert np.allclose(losses, serial, rtol=1e-9), "one process differs"
    return losses
