"""A search that looks at each result as it comes, and starts the next trial.

A few trials run at a time. `wait` gives the first that is over; its place is
taken by the next configuration, and the best one so far is known all along.

Watch: `best` changes while other trials run, and in the picture no CPU is
       idle though the trials are of different length.
From:  Ray 0.2.2's documentation, "Hyperparameter Optimization".
Next:  draw the next configuration near the best one so far. Is the result
       the same on every run?
"""

import numpy as np

from examples.search._digits import draw, load_digits, say
from examples.search._picture import draw_trials
from examples.search.search_random import train


def main(ray, full=False, *, trials=0, at_a_time=4, out=None):
    """Return the accuracy of each trial."""
    trials, images = trials or (50 if full else 8), 50_000 if full else 5_000
    data = load_digits()
    shared, task = ray.put(data), ray.remote(train)

    rng = np.random.default_rng(0)
    configs = [draw(rng) for _ in range(trials)]
    waiting = list(enumerate(configs))
    running, reports = {}, {}  # {reference: trial}, {trial: reports}
    best = {"accuracy": 0.0}
    while waiting or running:
        while waiting and len(running) < at_a_time:
            number, config = waiting.pop(0)
            running[task.remote(config, shared, images)] = number
        (ready,), _ = ray.wait(list(running))
        number, report = running.pop(ready), ray.get(ready)
        reports[number] = [report]
        if report["accuracy"] > best["accuracy"]:
            best = report
            told = f"{report['accuracy']:.3f}  {say(report['config'])}"
            print(f"after {len(reports):2}, best {told}")

    draw_trials(out, "as they come", reports)
    accuracies = [reports[number][0]["accuracy"] for number in range(trials)]
    alone = train(configs[-1], data, images)["accuracy"]
    assert accuracies[-1] == alone, "here the network learns otherwise"
    assert max(accuracies) == best["accuracy"], "another one is better"
    return accuracies
