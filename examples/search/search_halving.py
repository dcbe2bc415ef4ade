"""Successive halving: train all a little, keep the better half, go on.

A trial is a chain of tasks. Each takes the network that the one before it has
returned, so a trial can stop after any link, and every link can run in another
process. In each round half of the trials go on, with twice the images.

Watch: each round takes about as long as the one before, with half the trials.
From:  Ray 0.2.2's documentation, "Hyperparameter Optimization" (adaptive).
Next:  do not wait for all of a round: stop a trial that is worse than half of
       those that have come so far (this is ASHA).
"""

import numpy as np

from examples.search._digits import Network, draw, load_digits, say
from examples.search._picture import draw_trials


def halve(train, trials, images):
    """Return {trial: its reports}; `train` trains some of them further."""
    trials = list(range(trials))
    reports = {trial: [] for trial in trials}
    while trials:
        for trial, report in train(trials, images).items():
            reports[trial].append(report)
        trials.sort(key=lambda trial: -reports[trial][-1]["accuracy"])
        best = reports[trials[0]][-1]
        told = f"{best['accuracy']:.3f}  {say(best['config'])}"
        print(f"{len(trials):3} trials, {images:6} images, best {told}")
        trials = trials[: len(trials) // 2]
        images *= 2
    return reports


def serial(networks, data):
    """Return the function that trains in this process."""
    return lambda trials, images: {
        trial: networks[trial].train(data, images) for trial in trials
    }


def parallel(ray, networks, data):
    """Return the function that trains by tasks."""

    @ray.remote(num_returns=2)
    def go_on(network, data, images):
        report = network.train(data, images)
        return network, report

    data = ray.put(data)
    chains = dict(enumerate(networks))  # or the reference of a network

    def train(trials, images):
        reports = []
        for trial in trials:
            chains[trial], report = go_on.remote(chains[trial], data, images)
            reports.append(report)
        return dict(zip(trials, ray.get(reports), strict=True))

    return train


def main(ray, full=False, *, trials=0, out=None):
    """Return the accuracies of each trial."""
    trials, images = trials or (64 if full else 8), 2_000 if full else 500
    rng = np.random.default_rng(0)
    networks = [Network(draw(rng)) for _ in range(trials)]
    data = load_digits()

    reports = halve(parallel(ray, networks, data), trials, images)
    draw_trials(out, "halving", reports)
    expected = halve(serial(networks, data), trials, images)
    accuracies, alone = (
        {trial: [one["accuracy"] for one in r] for trial, r in found.items()}
        for found in (reports, expected)
    )
    assert accuracies == alone, "one process finds something else"
    return accuracies
