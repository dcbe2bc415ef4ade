"""Tuning: trials run at the same time, and bad ones are stopped early.

A trial is an actor that is asked for one score after the other. The search
says which configurations are tried: all of a grid, or some by chance. The
scheduler sees each score; ASHA lets a trial go on from a rung (after 1, 3,
9, ... scores) only if it is in the best third of those that came there.

Watch: the steps that ASHA saves, and that the best trial is the same.
From:  Learning Ray, chapter 1 (Ray Tune); Li et al., MLSys 2020 (ASHA).
Next:  draw new configurations near the best ones, instead of by chance.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import product


def grid(space):
    """Yield every combination of the values in lists."""
    for values in product(*space.values()):
        yield dict(zip(space, values, strict=True))


def by_chance(space, samples, seed=0):
    """Yield configurations: of a pair, a number between the two."""
    rng = random.Random(seed)
    for _ in range(samples):
        yield {name: rng.uniform(*pair) for name, pair in space.items()}


class All:
    """Lets every trial go on to its end."""

    def goes_on(self, step, score):
        """Return whether a trial is worth another step."""
        return True


class ASHA:
    """Asynchronous successive halving: no trial waits for another one."""

    def __init__(self, factor=3):
        self.factor = factor
        self.rungs = {}  # {step: the scores that trials had there}

    def goes_on(self, step, score):
        """Return whether it is among the best of its rung by now."""
        rung = 1
        while rung < step:
            rung *= self.factor
        if step != rung:
            return True
        seen = self.rungs.setdefault(step, [])
        seen.append(score)
        best = sorted(seen, reverse=True)[: max(1, len(seen) // self.factor)]
        return score >= best[-1]


@dataclass
class Trial:
    """A configuration, and its scores."""

    config: dict
    scores: list = field(default_factory=list)


class Runner:
    """Runs one trial after the other. It is an actor."""

    def __init__(self, trainable):
        self.trainable = trainable

    def step(self, config=None):
        """Return the next score, of a new trial if there is a config.

        None: the trial has no more.
        """
        if config is not None:
            self.scores = self.trainable(config)
        return next(self.scores, None)


class Tuner:
    """Runs trials, so many at the same time.

    Args:
        trainable: called with a configuration, yields scores.
    """

    def __init__(self, ray, trainable, at_once=4):
        self.ray = ray
        kind = ray.remote(Runner)
        self.runners = [kind.remote(trainable) for _ in range(at_once)]

    def run(self, configs, scheduler):
        """Return the trials. Blocks: until all have ended.

        Args:
            configs: what to try.
            scheduler: says which trials go on.
        """
        trials = [Trial(one) for one in configs]
        waiting, idle = deque(trials), list(self.runners)
        running = {}  # {reference to a score: the trial, its runner}
        while waiting or running:
            while waiting and idle:
                trial, runner = waiting.popleft(), idle.pop()
                first = runner.step.remote(trial.config)
                running[first] = trial, runner
            (ready, *_), _ = self.ray.wait(list(running))
            trial, runner = running.pop(ready)
            score = self.ray.get(ready)
            if score is not None:
                trial.scores.append(score)
            step = len(trial.scores)
            if score is not None and scheduler.goes_on(step, score):
                running[runner.step.remote()] = trial, runner
            else:
                idle.append(runner)
        return trials


def objective(config):
    """Yield scores that rise to what the configuration is worth."""
    worth = 1 - (config["x"] - 0.3) ** 2 - (config["y"] - 0.6) ** 2
    for step in range(1, 28):
        yield worth * (1 - 0.5**step)


def main(ray, full=False, *, samples=12):
    """Return what the best trials are."""
    samples = 10 * samples if full else samples
    values = [0.0, 0.3, 0.6, 0.9]
    searches = {
        "grid": list(grid({"x": values, "y": values})),
        "random": list(by_chance({"x": (0, 1), "y": (0, 1)}, samples)),
    }
    result, tuner = {}, Tuner(ray, objective)
    for search, configs in searches.items():
        right = max(configs, key=lambda config: [*objective(config)][-1])
        for scheduler in All(), ASHA():
            trials = tuner.run(configs, scheduler)
            best = max(trials, key=lambda trial: trial.scores[-1])
            steps = sum(len(trial.scores) for trial in trials)
            name = type(scheduler).__name__
            print(f"{search:7} {name:5} {steps:4} steps  {best.config}")
            assert best.config == right, "another trial is better"
            result[search, name] = best.config, best.scores[-1]
    return result
