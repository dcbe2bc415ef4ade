"""Grid search: every combination of some values, each one a task.

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


def main(ray, full=False, *, out=None):
    """Return the accuracy of each combination."""
    images = 50_000 if full else 3_000
    data = ray.put(load_digits())

    @ray.remote
    def train(rate, momentum):
        config = {
            "rate": rate,
            "momentum": momentum,
            "hidden": 32,
            "batch": 32,
        }
        return Network(config).train(ray.get(data), images)

    grid = list(product(MOMENTUMS, RATES))
    asked = [train.remote(rate, momentum) for momentum, rate in grid]
    reports = dict(zip(grid, ray.get(asked), strict=True))

    print("momentum \\ rate " + "".join(f"{rate:8}" for rate in RATES))
    for momentum in MOMENTUMS:
        row = (reports[momentum, rate]["accuracy"] for rate in RATES)
        print(f"{momentum:15} " + "".join(f"{one:8.3f}" for one in row))
    draw_trials(out, "grid", {i: [r] for i, r in enumerate(reports.values())})
    return {point: report["accuracy"] for point, report in reports.items()}
