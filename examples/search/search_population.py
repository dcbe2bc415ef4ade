"""Population-based training: the worst copy the best, and vary a little.

Each member is an actor with a network in training. After each round the worst
quarter takes over a network of the best quarter, straight from actor to actor,
with another learning rate. So the rate is not one number but a schedule, and
no trial is wasted (Jaderberg et al., 2017).

Watch: `2 <- 7` says who copied whom; the worst accuracy rises at once.
From:  Ray 0.2.2's documentation, "Hyperparameter Optimization" (adaptive).
Next:  let a member that is done compare itself with the last reports of the
       others, and not wait for them. What changes in the picture?
"""

import numpy as np

from examples.search._digits import Network, draw, load_digits
from examples.search._picture import draw_trials


class Member(Network):
    """A network that can be copied."""

    def copy(self):
        """Return the network as it is."""
        return self

    def become(self, other, factor):
        """Go on as the other one, with another learning rate."""
        vars(self).update(vars(other))
        self.config = self.config | {"rate": self.config["rate"] * factor}


def main(ray, full=False, *, members=0, rounds=0, out=None):
    """Return the accuracies of each member."""
    members, rounds = (
        members or (8 if full else 4),
        rounds or (20 if full else 3),
    )
    images = 4_000 if full else 1_000
    rng = np.random.default_rng(0)
    digits = load_digits()
    data = ray.put(digits)
    # Half a CPU each, so that two members share one.
    actor = ray.remote(num_cpus=0.5)(Member)
    # A copy takes the size of the hidden layer along, so let it be the same.
    configs = [draw(rng) | {"hidden": 32} for _ in range(members)]
    population = [
        actor.remote(config, seed) for seed, config in enumerate(configs)
    ]
    reports = {number: [] for number in range(members)}
    for _ in range(rounds):
        trained = [one.train.remote(data, images) for one in population]
        for number, report in enumerate(ray.get(trained)):
            reports[number].append(report)
        accuracies = [report[-1]["accuracy"] for report in reports.values()]
        ranked = sorted(range(members), key=lambda one: accuracies[one])
        quarter = members // 4
        copies = []
        for bad, good in zip(ranked[:quarter], ranked[-quarter:], strict=True):
            factor = float(rng.choice([0.8, 1.25]))
            network = population[good].copy.remote()
            population[bad].become.remote(network, factor)
            copies.append(f"{bad} <- {good}")
        worst, best = min(accuracies), max(accuracies)
        print(f"from {worst:.3f} to {best:.3f}   {', '.join(copies)}")

    rates = [reports[ranked[-1]][i]["config"]["rate"] for i in range(rounds)]
    print("rates of the best:", " ".join(f"{rate:.3g}" for rate in rates))
    draw_trials(out, "population", reports)
    alone = Member(configs[0], 0).train(digits, images)["accuracy"]
    assert reports[0][0]["accuracy"] == alone, "here it learns otherwise"
    return [[one["accuracy"] for one in r] for r in reports.values()]
