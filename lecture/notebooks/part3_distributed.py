# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Part 3: a distributed DQN

Several agents learn to land side by side, each in games of its own. After
each round a `GlobalNet` averages their weights, plays test games, and
everybody goes on from the average. Wherever it says `YOUR CODE HERE`, the
code is yours. Then check it:

    minimr check part3 part3_distributed.ipynb
"""

# %% tags=["parameters"]
ENGINE = "minimr"  # or "ray": the same program on Ray itself
ENVIRONMENT, TEST_GAMES = "LunarLander-v3", 10
QUICK = True  # in Task 6, 8 trainings of 10 rounds: False for 12 of 20

# %%
import importlib
import time
from itertools import product

from IPython.display import Image
from matplotlib import pyplot

from lecture.learner import Learner, film
from lecture.runs import keep

ray = importlib.import_module(ENGINE)
ray.init(ignore_reinit_error=True)

# %%
GIB = 2**30
have = ray.cluster_resources()
nodes = sum(node["Alive"] for node in ray.nodes())
print(f"nodes: {nodes}, CPUs: {have['CPU']:g}")
print(f"memory: {have['memory'] / GIB:.1f} GiB")
print(f"object store: {have['object_store_memory'] / GIB:.1f} GiB")

# %% [markdown]
"""
## What you have

A `Learner` is a network with its environment and all that it needs to learn:

| call | what it does |
|---|---|
| `Learner(seed, batch_size, num_epochs, ENVIRONMENT, TEST_GAMES)` | |
| `train()` | plays `num_epochs` games, and learns from them |
| `weights()` | the weights, `{name: array}`: **its own arrays, no copies** |
| `load(weights)` | copies weights into the network |
| `test()` | the average score of the test games |
| `save(path, score)` | writes the weights to a file |

## Task 0: actors

Both classes are to live in processes of their own: make them actors.

## The agent (Task 2 and 4)

`train` trains one round and returns **copies** of the weights: whoever has
them does not want them to change when the agent trains on. Every agent has its
number as its seed.
"""


# %%
### BEGIN SOLUTION
@ray.remote
### END SOLUTION
class Agent:
    """Learns on its own between two averages."""

    def __init__(self, number, batch_size, num_epochs):
        self.learner = Learner(
            number, batch_size, num_epochs, ENVIRONMENT, TEST_GAMES
        )

    def train(self):
        """Train one round; return copies of the weights."""
        ### BEGIN SOLUTION
        self.learner.train()
        return {n: array.copy() for n, array in self.learner.weights().items()}
        ### END SOLUTION

    def set_weights(self, weights):
        """Go on from these weights."""
        ### BEGIN SOLUTION
        self.learner.load(weights)
        ### END SOLUTION


# %% [markdown]
"""
## The global network (Task 3 and 5)

`average` takes the weights of all agents, one argument for each, and makes
their mean its own: each agent counts once. It leaves its arguments as they
are.
"""


# %%
### BEGIN SOLUTION
@ray.remote
### END SOLUTION
class GlobalNet:
    """Averages the weights of the agents, and tests the average."""

    def __init__(self):
        self.learner = Learner(0, 64, 1, ENVIRONMENT, TEST_GAMES)

    def get_weights(self):
        """Return copies of the weights."""
        ### BEGIN SOLUTION
        return {n: array.copy() for n, array in self.learner.weights().items()}
        ### END SOLUTION

    def average(self, *weights):
        """Take the mean of the weights of all agents."""
        ### BEGIN SOLUTION
        self.learner.load(
            {n: sum(w[n] for w in weights) / len(weights) for n in weights[0]}
        )
        ### END SOLUTION

    def test(self):
        """Return the average score of the test games."""
        ### BEGIN SOLUTION
        return self.learner.test()
        ### END SOLUTION

    def save(self, path, score):
        """Write the weights to a file."""
        ### BEGIN SOLUTION
        self.learner.save(path, score)
        ### END SOLUTION


# %% [markdown]
"""
## The training (Task 1 to 5)

1. Start one `GlobalNet`, and `num_agents` agents with the numbers 0, 1, 2, ...
2. At the beginning of every round, hand the weights of `GlobalNet` to all
   agents. So they begin the first one alike, and every other one from the
   average.
3. Let all agents train **at the same time**.
4. Average, and test.
5. Keep the weights of the **best** test in the checkpoint.
6. It is over with the first test of `target_score` or more, else after
   `max_rounds` rounds. Return the scores of all tests.
"""


# %%
def train_distributed(
    num_agents,
    batch_size,
    num_epochs,
    target_score=100.0,
    max_rounds=1000,
    checkpoint="model_checkpoint.pth",
):
    """Train until a test is good enough; return the scores of all tests."""
    ### BEGIN SOLUTION
    global_net = GlobalNet.remote()
    agents = [
        Agent.remote(number, batch_size, num_epochs)
        for number in range(num_agents)
    ]
    scores = []
    while len(scores) < max_rounds:
        newest = global_net.get_weights.remote()
        ray.get([agent.set_weights.remote(newest) for agent in agents])
        trained = [agent.train.remote() for agent in agents]
        ray.get(global_net.average.remote(*trained))
        score = ray.get(global_net.test.remote())
        if not scores or score > max(scores):
            ray.get(global_net.save.remote(checkpoint, score))
        scores.append(score)
        show_round(scores)
        if score >= target_score:
            break
    for actor in [*agents, global_net]:
        ray.kill(actor)
    return scores
    ### END SOLUTION


def show_round(scores):
    """Show how far it is."""
    print(f"\rround {len(scores)}: {scores[-1]:8.1f}", end="")


# %% tags=["parameters"]
NUM_AGENTS, BATCH_SIZE, NUM_EPOCHS = 2, 64, 5
TARGET, MAX_ROUNDS = 100.0, 1000

# %%
begin = time.perf_counter()
scores = train_distributed(
    NUM_AGENTS, BATCH_SIZE, NUM_EPOCHS, TARGET, MAX_ROUNDS
)
seconds = time.perf_counter() - begin
print(f"\nthe best of {len(scores)} tests has {max(scores):.1f}")
print(f"after {seconds:.1f} s")

# %%
figure, axes = pyplot.subplots(figsize=(9, 4))
axes.plot(range(1, len(scores) + 1), scores, marker="o")
axes.axhline(TARGET, linestyle=":")
axes.set_xlabel("round")
axes.set_ylabel("average score of a test")
pyplot.show()

# %% [markdown]
"""
## Watch it land
"""

# %%
print(f"a game with {film('model_checkpoint.pth', 'landing.gif'):.1f}")
Image(filename="landing.gif")

# %% [markdown]
"""
## Task 6: what do the settings change?

Every combination is trained, and kept in the folder `runs`, for
`minimr report runs`. Several seeds would be better than one: how much do two
runs with the same settings differ?

An agent learns nothing before it has played 1,000 steps. So with one game per
round the first scores are the same.
"""

# %% tags=["parameters"]
AGENTS, SWEEP_ROUNDS = ((1, 2), 10) if QUICK else ((1, 2, 4), 20)
BATCHES, EPOCHS = (32, 64), (1, 5)

# %%
timelines = {}
for combination in product(AGENTS, BATCHES, EPOCHS):
    agents, batch, epochs = combination
    print(f"\nagents {agents}, batch {batch}, games per round {epochs}")
    begin = time.perf_counter()
    scores = train_distributed(
        agents, batch, epochs, TARGET, SWEEP_ROUNDS, "sweep_checkpoint.pth"
    )
    run = {
        "run": "dqn",
        "engine": ENGINE,
        "nodes": nodes,
        "environment": ENVIRONMENT,
        "num_agents": agents,
        "batch_size": batch,
        "num_epochs_agents_train": epochs,
        "target_score": TARGET,
        "seconds": time.perf_counter() - begin,
        "scores": scores,
        "sweep": [AGENTS, BATCHES, EPOCHS],
    }
    keep(f"dqn-{ENGINE}-agents-{agents}-batch-{batch}-games-{epochs}", run)
    timelines[combination] = scores

# %% [markdown]
"""
## The timelines
"""

# %%
figure, panels = pyplot.subplots(
    len(BATCHES),
    len(EPOCHS),
    figsize=(6 * len(EPOCHS), 4 * len(BATCHES)),
    sharey=True,
    squeeze=False,
    layout="constrained",
)
for (agents, batch, epochs), scores in timelines.items():
    axes = panels[BATCHES.index(batch)][EPOCHS.index(epochs)]
    axes.plot(range(1, len(scores) + 1), scores, marker=".", label=agents)
    axes.set_title(f"batch {batch}, games per round {epochs}")
    axes.set_xlabel("round")
    axes.set_ylabel("average score of a test")
    axes.legend(title="agents")
pyplot.show()

# %% [markdown]
"""
## Questions

1. Do more agents get there in fewer rounds? In fewer games of each?
2. Why do the scores go up and down from one test to the next?
3. Two runs with the same settings and another seed: by how much do they
   differ? What does that say about the differences between your timelines?
"""

# %%
ray.shutdown()
