"""Any sequence of calls, on every rung, against a model of a few lines."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from minimr.interface.parameter_server import ParameterServerError
from minimr.shared.parameter_server.consistency import (
    Asynchronous,
    Average,
    Gradients,
    Stale,
    Synchronous,
)
from tests.contract.servers import Rung, same

WORKERS = 3
SHAPES = {"a": (2,), "b": (), "c": (0,), "d": (1, 3)}
EXAMPLES = {"serial": 100, "sockets": 40, "minimr": 10, "ray": 5}

workers = st.integers(0, WORKERS - 1)
numbers = st.floats(-1000, 1000, width=32)


class Model:
    """What a parameter server is, with no bytes and nobody who waits."""

    def __init__(self, weights: Any, consistency: Any, update: Any) -> None:
        self.weights, self.bound = dict(weights), consistency.bound
        self.whole = isinstance(consistency, Synchronous)
        self.update = update
        self.clocks = dict.fromkeys(range(WORKERS), 0)
        self.kept: dict[int, Any] = {}
        self.round = 0
        self.velocity = {n: np.zeros_like(a) for n, a in weights.items()}

    def may_go_on(self, worker: int) -> bool:
        ahead = self.clocks[worker] - min(self.clocks.values())
        return ahead <= self.bound

    def push(self, worker: int, update: Any) -> None:
        self.clocks[worker] += 1
        self.round = self.clocks[worker]  # of those that are kept
        self.kept[worker] = update
        self.fold()

    def leave(self, worker: int) -> None:
        self.clocks.pop(worker, None)
        self.fold()

    def fold(self) -> None:
        slowest = min(self.clocks.values(), default=self.round)
        if self.whole and slowest < self.round:
            return
        for name, old in self.weights.items():
            pushed = [
                push[name] for _, push in sorted(self.kept.items())
                if name in push
            ]  # fmt: skip
            if pushed:
                mean = reduce(operator.add, pushed) / np.float32(len(pushed))
                self.weights[name] = np.asarray(self.step(name, old, mean))
        self.kept = {}

    def step(self, name: str, old: Any, mean: Any) -> Any:
        if isinstance(self.update, Gradients):
            rate, momentum = self.update.learning_rate, self.update.momentum
            kept = self.velocity[name] * np.float32(momentum)
            self.velocity[name] = mean + kept if momentum else mean
            return self.velocity[name] * np.float32(-rate) + old
        share = 1 if self.whole else max(1, len(self.clocks))
        return mean if share == 1 else old + (mean - old) / np.float32(share)


class Calls(RuleBasedStateMachine):
    """Calls of three workers from one thread: who must wait is told so."""

    rung: Rung

    @initialize(
        consistency=st.sampled_from(
            [Synchronous(), Stale(0), Stale(1), Stale(3), Asynchronous()]
        ),
        update=st.sampled_from(
            [Gradients(0.5), Gradients(0.1, momentum=0.9), Average()]
        ),
    )
    def begin(self, consistency: Any, update: Any) -> None:
        rng = np.random.default_rng(0)
        weights = {
            name: np.asarray(rng.standard_normal(shape), np.float32)
            for name, shape in SHAPES.items()
        }
        self.server = self.rung.begin(
            weights, WORKERS, consistency, update, timeout_s=0
        )
        self.model = Model(weights, consistency, update)
        self.newest = 0
        self.seen = {name: a.copy() for name, a in weights.items()}
        self.server.pull(changed_only=True)

    def may_go_on(self, worker: int, call: Any) -> bool:
        """Make a call that is refused, if it has to be."""
        if worker not in self.model.clocks:
            with pytest.raises(ParameterServerError, match="is not in"):
                call()
        elif not self.model.may_go_on(worker):
            with pytest.raises(ParameterServerError, match="has waited"):
                call()
        else:
            return True
        return False

    @rule(worker=workers, numbers=st.lists(numbers, min_size=6, max_size=6),
          names=st.sets(st.sampled_from(sorted(SHAPES))))  # fmt: skip
    def push(self, worker: int, numbers: list[float], names: set[str]) -> None:
        update = {
            name: np.resize(np.array(numbers, np.float32), SHAPES[name])
            for name in sorted(names)
        }
        if self.may_go_on(worker, lambda: self.server.push(worker, update)):
            self.server.push(worker, update)
            self.model.push(worker, update)
            self.newest = max(self.newest, self.model.clocks[worker])

    @rule(worker=workers)
    def pull(self, worker: int) -> None:
        if self.may_go_on(worker, lambda: self.server.pull(worker)):
            assert same(self.server.pull(worker), self.model.weights)

    @rule(worker=workers)
    def leave(self, worker: int) -> None:
        self.server.leave(worker)
        self.model.leave(worker)

    @rule(worker=workers)
    def join(self, worker: int) -> None:
        self.server.join(worker)
        self.model.clocks[worker] = self.newest
        self.model.fold()

    @invariant()
    def what_changed_since_the_last_look_is_sent(self) -> None:
        if hasattr(self, "server"):
            self.seen.update(self.server.pull(changed_only=True))
            assert same(self.seen, self.model.weights)


def test_any_sequence_of_calls_does_what_the_model_does(rung: Rung) -> None:
    machine = type("OnThisRung", (Calls,), {"rung": rung})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[rung.name],
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
