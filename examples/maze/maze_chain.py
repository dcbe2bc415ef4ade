"""A maze is learned by a chain of tasks: each takes the policy before it.

    policy ──> games ──> update ──> policy ──> games ──> update ──> ...

`update` is a task. It takes the policy of the round before as a reference,
so that it waits for it, and the games as references inside a list, which
arrive as references: it gets them itself. The driver never sees a policy,
and has asked for all rounds before the first one is over.

Watch: `asked for` is long before `learned`. The policy equals that of one
       process in every bit: games are learned in the order of the list.
From:  Learning Ray, chapter 3 (in its first edition).
Next:  let the driver print the steps of each game without waiting for the
       policy. Who has to return them?
"""

import time

from examples.maze._maze import Environment, Policy, Simulation, evaluate
from examples.maze.maze import serial


def main(ray, full=False, *, size=5, rounds=0, simulations=4):
    """Return the values of all states and actions."""
    settings = {"size": size}
    rounds = rounds or (500 if full else 20)
    begin = time.perf_counter()
    players = [
        ray.remote(Simulation).remote(settings, seed)
        for seed in range(simulations)
    ]

    @ray.remote
    def update(policy, games):
        for game in ray.get(games):
            policy.update(game)
        return policy

    policy = ray.put(Policy(Environment(**settings)))
    for _ in range(rounds):
        games = [player.rollout.remote(policy) for player in players]
        policy = update.remote(policy, games)
    print(f"asked for {rounds} rounds: {time.perf_counter() - begin:.2f} s")
    learned = ray.get(policy)
    print(f"learned:             {time.perf_counter() - begin:.2f} s")

    steps = evaluate(learned, settings)
    print(f"a game takes {steps:.0f} steps")
    expected = serial(settings, rounds, simulations)
    assert learned.table == expected.table, "one process learns another table"
    return learned.table
