"""Grid search: every combination of some values, each one a task.

The network is small and the values are few, so all are tried. The tasks have
the data in common, in the store, and each returns a report.

Watch: the table. Along its diagonals the accuracy is about the same: what
       counts is the rate divided by one minus the momentum.
From:  Learning Ray, chapter 1 (`tune.grid_search`).
Next:  compare with `search_random` for the same number of trials: which one
       tries more different rates?
"""

from itertools import product

from examples.search._digits import Network, load_digits
from examples.search._picture import draw_trials

RATES = 0.003, 0.03, 0.3, 3.0
MOMENTUMS = 0.0, 0.9, 0.99


def train(momentum, rate, data, images):
    """Train one network; return the report."""
    config = {"rate": rate, "momentum": momentum, "hidden": 32, "batch": 32}
    return Network(config).train(data, images)


def main(ray, full=False, *, out=None):
    """Return the accuracy of each combination."""
    images = 50_000 if full else 3_000
    data = load_digits()
    shared, task = ray.put(data), ray.remote(train)

    grid = list(product(MOMENTUMS, RATES))
    asked = [task.remote(*point, shared, images) for point in grid]
    reports = dict(zip(grid, ray.get(asked), strict=True))

    print("momentum \\ rate " + "".join(f"{rate:8}" for rate in RATES))
    for momentum in MOMENTUMS:
        row = (reports[momentum, rate]["accuracy"] for rate in RATES)
        print(f"{momentum:15} " + "".join(f"{one:8.3f}" for one in row))
    draw_trials(out, "grid", {i: [r] for i, r in enumerate(reports.values())})
    accuracies = {point: one["accuracy"] for point, one in reports.items()}
    alone = train(*grid[0], data, images)["accuracy"]
    assert accuracies[grid[0]] == alone, "here the network learns otherwise"
    return accuracies
