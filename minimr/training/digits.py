"""Workers that train one network through a parameter server.

    worker w:  until the time is up
                 weights = pull(w)
                 gradient of a batch of its own part of the data, and a
                 pause, which makes one worker slow
                 push(w, gradient)
    driver:    pull() now and then, without taking part: the loss over time

The same code trains on every rung. A mode changes only when `pull` returns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from minimr.datasets.digits import (
    Digits,
    gradient,
    load_digits,
    loss_and_accuracy,
    new_weights,
)
from minimr.interface.parameter_server import ParameterServer, ServerStats
from minimr.ladder import open_parameter_server
from minimr.shared.parameter_server.consistency import (
    Asynchronous,
    Consistency,
    Gradients,
    Stale,
    Synchronous,
)
from minimr.training.workers import Crew

LOOK_INTERVAL_S = 0.05

MODES = ("synchronous", "stale", "asynchronous")


@dataclass(frozen=True)
class Plan:
    """What all runs have in common."""

    workers: int = 4
    servers: int = 2
    seconds: float = 5.0
    bound: int = 4  # of the mode `stale`
    learning_rate: float = 0.1
    batch_size: int = 32
    pause_s: float = 0.005  # after each gradient
    slow_pause_s: float = 0.05  # of the last worker
    seed: int = 0

    def consistency(self, mode: str) -> Consistency:
        """Return the setting of a mode."""
        modes: dict[str, Consistency] = {
            "synchronous": Synchronous(),
            "stale": Stale(self.bound),
            "asynchronous": Asynchronous(),
        }
        return modes[mode]


class Look(NamedTuple):
    """One look of the driver at the weights."""

    seconds: float
    loss: float
    accuracy: float


@dataclass
class Trained:
    """One rung in one mode."""

    rung: str
    mode: str
    rounds: list[int]  # of each worker
    stats: ServerStats
    looks: list[Look] = field(default_factory=list)

    def seconds_to(self, loss: float) -> float | None:
        """Return when the loss was first this low; None: it never was."""
        return next((k.seconds for k in self.looks if k.loss <= loss), None)


def train(rung: str, mode: str, plan: Plan, crew: Crew) -> Trained:
    """Train for as long as the plan says, and look on.

    Blocks: for `plan.seconds`, and until the servers are there.
    """
    learnt, tested = load_digits()
    with open_parameter_server(
        rung,
        new_weights(learnt.x.shape[1], plan.seed),
        plan.workers,
        plan.consistency(mode),
        Gradients(plan.learning_rate),
        num_servers=plan.servers,
    ) as servers:
        # Load the modules before the clock starts.
        crew.start(_get_ready, [(servers,)] * plan.workers)
        crew.results()
        crew.start(
            work,
            [
                (servers, w, learnt.part(w, plan.workers), plan)
                for w in range(plan.workers)
            ],
        )
        looks = _look_on(servers, crew, tested)
        return Trained(rung, mode, crew.results(), servers.stats(), looks)


def work(
    servers: ParameterServer, worker: int, digits: Digits, plan: Plan
) -> int:
    """Be a worker; return its rounds. Runs in: thread, process or actor."""
    rng = np.random.default_rng((plan.seed, worker))
    slow = worker == plan.workers - 1
    pause_s = plan.slow_pause_s if slow else plan.pause_s
    until = time.monotonic() + plan.seconds
    rounds = 0
    while time.monotonic() < until:
        weights = servers.pull(worker)
        chosen = rng.integers(len(digits.y), size=plan.batch_size)
        batch = Digits(digits.x[chosen], digits.y[chosen])
        update = gradient(weights, batch)
        time.sleep(pause_s)
        servers.push(worker, update)
        rounds += 1
    servers.leave(worker)  # so that the others do not wait for us
    return rounds


def _get_ready(servers: ParameterServer) -> None:
    servers.pull()


def _look_on(
    servers: ParameterServer, crew: Crew, tested: Digits
) -> list[Look]:
    begun = time.monotonic()
    looks = []
    while True:
        seen = loss_and_accuracy(servers.pull(), tested)
        looks.append(Look(time.monotonic() - begun, *seen))
        if crew.done(LOOK_INTERVAL_S):
            return looks
