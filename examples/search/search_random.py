"""Random search: many configurations by chance, and the best one wins.

Every trial is a task, and all are asked for at once. The data are put into
the store once: what each task is sent is a configuration and a reference.

Watch: how far the accuracies are apart, and in the picture how many trials
       run at a time: as many as there are CPUs.
From:  Ray 0.2.2's documentation, "Hyperparameter Optimization".
Next:  give `data` instead of `ray.put(data)` to the tasks: what is sent now?
"""

import numpy as np

from examples.search._digits import Network, draw, load_digits, say
from examples.search._picture import draw_trials


def train(config, data, images):
    """Train one network; return the report."""
    return Network(config).train(data, images)


def main(ray, full=False, *, trials=0, out=None):
    """Return the accuracy of each trial."""
    trials, images = trials or (50 if full else 8), 50_000 if full else 5_000
    rng = np.random.default_rng(0)
    configs = [draw(rng) for _ in range(trials)]
    data = load_digits()

    shared = ray.put(data)
    task = ray.remote(train)
    reports = ray.get([task.remote(one, shared, images) for one in configs])

    for report in sorted(reports, key=lambda report: report["accuracy"]):
        print(f"{report['accuracy']:.3f}  {say(report['config'])}")
    draw_trials(out, "random", {i: [one] for i, one in enumerate(reports)})
    first = train(configs[0], data, images)["accuracy"]
    assert reports[0]["accuracy"] == first, "here the network learns otherwise"
    return [report["accuracy"] for report in reports]
