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
# Part 3, before you begin: a DQN in one process

No cluster yet: one network learns to land by playing. Read
`dqn/reference.py`, the algorithm on one page, and then watch it learn. There
is nothing to write here; part 3 has several of these learn together.
"""

# %% tags=["parameters"]
ENVIRONMENT = "LunarLander-v3"
TARGET, MAX_ROUNDS = 100.0, 60  # the score of a test to reach; rounds at most
NUM_EPOCHS, BATCH_SIZE = 5, 64  # games per round, transitions per update
TEST_GAMES = 10

# %%
import time
from itertools import pairwise

from IPython.display import Image
from matplotlib import pyplot

from lecture.learner import Learner, film

# %% [markdown]
"""
## Play by chance

An untrained network: how well does it land?
"""

# %%
learner = Learner(0, BATCH_SIZE, NUM_EPOCHS, ENVIRONMENT, TEST_GAMES)
print(f"before any training, a test has {learner.test():.1f}")

# %% [markdown]
"""
## Train

A round is a few games, of which the network learns with every step. Then come
the test games: always the same ones, and no action by chance.
"""

# %%
scores, seconds, begin = [], [], time.perf_counter()
while len(scores) < MAX_ROUNDS and (not scores or scores[-1] < TARGET):
    learner.train()
    scores.append(learner.test())
    seconds.append(time.perf_counter() - begin)
    print(f"\rround {len(scores)}: {scores[-1]:8.1f}", end="")
    if scores[-1] == max(scores):
        learner.save("single_checkpoint.pth", scores[-1])
print(f"\nthe best of {len(scores)} tests has {max(scores):.1f}")

# %%
figure, axes = pyplot.subplots(figsize=(9, 4))
axes.plot(seconds, scores, marker="o")
axes.axhline(TARGET, linestyle=":")
axes.set_xlabel("seconds")
axes.set_ylabel("average score of a test")
pyplot.show()

# %% [markdown]
"""
Scores go up and down, although the test games are the same each time. By how
much does a test differ from the one before it?
"""

# %%
steps = [abs(b - a) for a, b in pairwise(scores)]
print(f"on average by {sum(steps) / max(len(steps), 1):.1f}")

# %% [markdown]
"""
## Watch it land
"""

# %%
print(f"a game with {film('single_checkpoint.pth', 'single.gif'):.1f}")
Image(filename="single.gif")
