"""A maze is learned: actors play games, and the driver learns from them.

In each round the policy is put into the store once, every simulation plays
a game by it, and the driver learns from each game as it comes (`wait`). Each
option is an exercise of the book: try them one by one.

Watch: the steps that a game takes, round by round, and the path at the end.
       `minimr compare maze` shows both ways to learn, step beside step.
From:  Learning Ray, chapter 3 (in its later edition), with its exercises.
Next:  call `put` once, before the loop: what do the simulations play by then?
       And what if there are millions of states (`--seekers 4`)?
"""

import time

from examples.maze._maze import Environment, Policy, Simulation, evaluate


def serial(settings, rounds, simulations):
    """Return the policy that one process learns."""
    policy = Policy(Environment(**settings))
    players = [Simulation(settings, seed) for seed in range(simulations)]
    for _ in range(rounds):
        # [1] share the policy: it is here
        # [2] play: one game after the other
        games = [player.rollout(policy) for player in players]
        # [3] learn: in this order
        for game in games:
            policy.update(game)
    return policy


def parallel(ray, settings, rounds, simulations):
    """Return the policy that is learned from actors."""
    policy = Policy(Environment(**settings))
    players = [
        ray.remote(Simulation).remote(settings, seed)
        for seed in range(simulations)
    ]
    for number in range(rounds):
        # [1] share the policy: once, and not once per simulation
        shared = ray.put(policy)
        # [2] play: all at the same time
        games = [player.rollout.remote(shared) for player in players]
        # [3] learn: from the game that is over first
        lengths = []
        while games:
            (ready,), games = ray.wait(games)
            game = ray.get(ready)
            policy.update(game)
            lengths.append(len(game))
        if number & (number + 1) == 0:  # 0, 1, 3, 7, ...
            print(f"round {number:5}: games of {sorted(lengths)} steps")
    return policy


def show(policy, settings, pause_s):
    """Play a game in the terminal."""
    simulation = Simulation(settings, seed=1)
    maze = simulation.environment
    state, walked = maze.reset(), []
    drawings = [maze.render()]
    while not maze.is_over() and len(drawings) < 100:
        walked += maze.seekers
        action = policy.action(state, simulation.rng, explore=0)
        state, _, _ = maze.step(action)
        drawings.append(maze.render(walked))
    for drawing in drawings if pause_s else drawings[-1:]:
        print(f"\n{drawing}")
        time.sleep(pause_s)


def main(
    ray,
    full=False,
    *,
    rounds=0,
    simulations=4,
    size=5,
    random_start=False,
    hazardous_walls=False,
    obstacles=0,
    random_goal=False,
    seekers=1,
):
    """Return how many steps a game takes in the end."""
    settings = {
        "size": size,
        "random_start": random_start,
        "hazardous_walls": hazardous_walls,
        "obstacles": obstacles,
        "random_goal": random_goal,
        "seekers": seekers,
    }
    rounds = rounds or (2_000 if full else 50)
    steps = {}
    for name, learn in {
        "one process": lambda: serial(settings, rounds, simulations),
        "with actors": lambda: parallel(ray, settings, rounds, simulations),
    }.items():
        begin = time.perf_counter()
        policy = learn()
        steps[name] = evaluate(policy, settings)
        took = time.perf_counter() - begin
        print(f"{name}: {took:.2f} s, a game takes {steps[name]:.1f} steps")
    show(policy, settings, pause_s=0.2 if full else 0)

    if size <= 5 and seekers == 1 and not (random_start or random_goal):
        assert steps["with actors"] == 2 * (size - 1), "not the shortest path"
    return steps["with actors"]
