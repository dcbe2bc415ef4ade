"""Part 3, the distributed DQN: what should be, and how it is found out.

    the classes alone    called here, with a learner that follows a script
    the driver           on the engine, with that learner; its calls of the
                         verbs are noted, and the weights of every agent and
                         round are asked for afterwards

What one training makes of weights is known, and can be undone. So the weights
of an agent say where it went on from: the average, its own, an older one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from lecture.check import scripted
from lecture.check.findings import Check
from lecture.check.recorder import Actors, Event
from lecture.check.scripted import LAYER, ROUNDS, Weights
from lecture.check.source import load
from lecture.check.submission import Submission

DRIVER = "train_distributed"
WANTED = ("Agent", "GlobalNet", DRIVER)
BATCH, EPOCHS = 16, 2


@dataclass(frozen=True)
class Case:
    """A run of the driver, and how it should end.

    Attributes:
        script: the scores of the tests, round by round.
        rounds: how many there should be.
    """

    num_agents: int
    target: float
    max_rounds: int
    script: tuple[float, ...]
    rounds: int

    @property
    def best(self) -> int:
        """The number of the best round, from 1."""
        scores = self.script[: self.rounds]
        return scores.index(max(scores)) + 1


CASES = (
    # a test of exactly the target ends it, and others than 100 can be asked
    Case(3, 90.0, 6, (20.0, 60.0, 90.0, 95.0, 160.0, 170.0), 3),
    # nothing is reached, and no score is above 0
    Case(2, 100.0, 4, (-300.0, -250.0, -280.0, -290.0, -300.0), 4),
)


@dataclass(frozen=True)
class Run:
    """One run of the driver."""

    case: Case
    scores: Any
    events: list[Event]
    rounds: list[list[tuple[Event, Weights]]]  # trainings, with their results
    saved: dict[str, Any] | None

    @property
    def sizes(self) -> str:
        """How large it was, in words."""
        return f"{self.case.num_agents} agents"


class Student(Submission[Case, Run]):
    """The classes and the driver of a student."""

    cases = CASES

    def space(self, script: Sequence[float] = (0.0,)) -> dict[str, Any]:
        """Return the student's names, with a learner of that script."""
        # Made here, so that it travels by value, and its script with it.
        learner = type("Learner", (scripted.Learner,), {"script": script})
        learner.__module__ = "__main__"
        return load(self.cells, WANTED, {"Learner": learner}, self.verbs)

    def make(self, name: str, *args: Any) -> Any:
        """Return an instance of a class, here in this process."""
        found = self.space((5.0, 7.0))[name]
        return getattr(found, "function", found)(*args)

    def _run(self, case: Case) -> Run:
        self.verbs.events.clear()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "best.pth"
            try:
                scores = self.space(case.script)[DRIVER](
                    case.num_agents,
                    BATCH,
                    EPOCHS,
                    target_score=case.target,
                    max_rounds=case.max_rounds,
                    checkpoint=str(path),
                )
                events = list(self.verbs.events)
                rounds = [
                    [(e, self.verbs._engine.get(e.refs[0])) for e in trained]
                    for trained in rounds_of(events)
                ]
            finally:
                self.verbs.end_actors()
            text = path.read_text() if path.exists() else ""
            return Run(case, scores, events, rounds, json.loads(text or "0"))


def rounds_of(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield the trainings of each round: an average ends it."""
    called = [e for e in events if e.kind == "call"]
    kinds = groupby(called, lambda event: event.name == "GlobalNet.average")
    for is_average, group in kinds:
        trained = [event for event in group if event.name == "Agent.train"]
        if trained and not is_average:
            yield trained


def there_are_two_actors(student: Student) -> str | None:
    """Judge that both classes are actors."""
    space = student.space()
    for name in ("Agent", "GlobalNet"):
        if not isinstance(space[name], Actors):
            return f"{name} is no actor: @ray.remote goes before the class"
    return None


def an_agent_trains_once(student: Student) -> str | None:
    """Judge that `train` trains, and returns the weights after that."""
    agent = student.make("Agent", 1, BATCH, EPOCHS)
    learner = _learner(agent)
    old = _copy(learner.weights())
    new = agent.train()
    if learner.trained != 1:
        return f"train() trains {learner.trained} times, not once"
    if not isinstance(new, dict):
        return f"train() returns {type(new).__name__}, not the weights"
    if _same(new, old):
        return "train() returns the weights from before the training"
    if (learner.batch_size, learner.num_epochs) != (BATCH, EPOCHS):
        return "the learner is not given batch_size and num_epochs"
    if learner.seed != 1:
        return "the seed of the learner is not the number of the agent"
    return None if _same(new, learner.weights()) else "train() returns others"


def weights_are_copied(student: Student) -> str | None:
    """Judge that nobody shares arrays with a learner."""
    agent = student.make("Agent", 1, BATCH, EPOCHS)
    given = agent.train()
    kept = _copy(given)
    agent.train()
    if not _same(given, kept):
        return (
            "train() returns the network's own arrays, shared and not copied: "
            "the next training changes what was returned"
        )
    net = student.make("GlobalNet")
    given = net.get_weights()
    kept = _copy(given)
    net.average(agent.train(), agent.train())
    if not _same(given, kept):
        return (
            "get_weights() returns the network's own arrays, shared and not "
            "copied: the next average changes what was returned"
        )
    return None


def an_agent_takes_weights(student: Student) -> str | None:
    """Judge that `set_weights` loads weights, and keeps none."""
    agent = student.make("Agent", 1, BATCH, EPOCHS)
    given = _weights(5.0, 6.0)
    kept = _copy(given)
    agent.set_weights(given)
    if not _same(_learner(agent).weights(), kept):
        return "after set_weights() the network has other weights"
    agent.train()
    if not _same(given, kept):
        return (
            "set_weights() keeps the arrays that it is given, shared and not "
            "copied: training changes those of everybody"
        )
    return None


def each_agent_counts_once(student: Student) -> str | None:
    """Judge the average, by weights of which each has a digit of its own."""
    for number in (3, 1, 4):
        net = student.make("GlobalNet")
        given = [_weights(100.0**i, 0.0) for i in range(number)]
        net.average(*given)
        total = float(net.get_weights()[LAYER][0]) * number
        times = [round(total / 100**i) % 100 for i in range(number)]
        exact = sum(n * 100**i for i, n in enumerate(times))
        if times == [1] * number:
            continue
        if abs(exact - total) < 1e-6 * exact and max(times) <= number:
            for agent, counted in enumerate(times):
                if counted == 0:
                    return (
                        f"of {number} agents, the average forgets agent "
                        f"{agent}"
                    )
            if len(set(times)) == 1:
                return (
                    f"of {number} agents, it is {times[0]} times the average: "
                    "divide by their number"
                )
            agent = times.index(max(times))
            return (
                f"of {number} agents, the average weighs agent {agent} "
                f"{'twice' if times[agent] == 2 else f'{times[agent]} times'}"
            )
        mean = sum(float(w[LAYER][0]) for w in given) / number
        found = float(net.get_weights()[LAYER][0])
        for agent in range(number):
            rest = [w for i, w in enumerate(given) if i != agent]
            left = sum(float(w[LAYER][0]) for w in rest)
            if number > 1 and abs(found - left / (number - 1)) < 1e-9 * mean:
                return f"of {number} agents, the average forgets agent {agent}"
            twice = sum(float(w[LAYER][0]) for w in (*given, given[agent]))
            if abs(found - twice / (number + 1)) < 1e-9 * mean:
                return (
                    f"of {number} agents, the average weighs agent {agent} "
                    "twice"
                )
        return f"the average of {number} agents is not their mean"
    return None


def average_leaves_its_arguments(student: Student) -> str | None:
    """Judge that averaging changes nobody's weights."""
    net = student.make("GlobalNet")
    given = [_weights(1.0, 2.0), _weights(3.0, 4.0)]
    kept = [_copy(each) for each in given]
    net.average(*given)
    for agent, (now, then) in enumerate(zip(given, kept, strict=True)):
        if not _same(now, then):
            return (
                f"it adds into the weights of agent {agent}, shared and not "
                "copied: they are changed for whoever else has them"
            )
    net.average(*[_weights(100.0, 100.0)] * 2)
    if not all(map(_same, given, kept)):
        return "the network keeps the arrays of an agent: shared, not copied"
    return None


def the_average_is_tested(student: Student) -> str | None:
    """Judge that a test is of the average."""
    net = student.make("GlobalNet")
    given = _weights(1.0, 2.0)
    given[ROUNDS] += 2
    net.average(given, given)
    if net.test() != 7.0:
        return "test() does not test the average, but other weights"
    return None


def the_driver_runs(student: Student) -> str | None:
    """Judge that it ends without an error."""
    try:
        runs = student.runs
    except Exception as error:
        if "EndlessError" in f"{type(error).__name__} {error}":
            return "it never ends: neither target_score nor max_rounds ends it"
        raise
    for run in runs:
        if not run.rounds:
            return "it never calls train.remote() of an agent"
        if not isinstance(run.scores, (list, tuple)):
            return f"it returns {type(run.scores).__name__}, not the scores"
    return None


def every_agent_is_there(student: Student) -> str | None:
    """Judge the number of actors, and what they are given."""
    for run in student.runs:
        news = [e for e in run.events if e.kind == "new"]
        nets = [e for e in news if e.name == "GlobalNet"]
        agents = [e for e in news if e.name == "Agent"]
        if len(nets) != 1:
            return f"there are {len(nets)} GlobalNets, not one"
        if len(agents) != run.case.num_agents:
            return f"{run.sizes} are asked for, and {len(agents)} are started"
        given = [(*e.args, *e.kwargs.values()) for e in agents]
        numbers = sorted(each[0] for each in given)
        if numbers != list(range(len(agents))):
            return f"the agents have the numbers {numbers}"
        if any(each[1:] != (BATCH, EPOCHS) for each in given):
            return "the agents are not given batch_size and num_epochs"
    return None


def agents_train_side_by_side(student: Student) -> str | None:
    """Judge that all agents train in each round, at the same time."""
    for run in student.runs:
        order = {id(event): i for i, event in enumerate(run.events)}
        for number, trained in enumerate(run.rounds, 1):
            agents = sorted(event.of for event, _ in trained)
            if agents != list(range(run.case.num_agents)):
                return f"in round {number}, these agents train: {agents}"
            last = order[id(trained[-1][0])]
            for event, _ in trained[:-1]:
                between = run.events[order[id(event)] : last]
                if any(each.waits_for(event.refs) for each in between):
                    return (
                        "the agents train one after the other: one is waited "
                        "for before the next begins"
                    )
    return None


def agents_go_on_from_the_average(student: Student) -> str | None:
    """Judge what each agent went on from, in each round."""
    first = _copy(student.make("GlobalNet").get_weights())[LAYER]
    wrong = ""
    for run in student.runs:
        averages = [first]
        for number, trained in enumerate(run.rounds, 1):
            for event, weights in trained:
                start = scripted.before(weights, event.of, EPOCHS)
                if not np.allclose(start, averages[-1]):
                    # the newest one tells most
                    wrong = f"in round {number}, agent {event.of} "
                    wrong += _went_on_from(
                        start, averages, run.rounds[: number - 1], event.of
                    )
            averages.append(
                np.mean([weights[LAYER] for _, weights in trained], axis=0)
            )
    return wrong


def _went_on_from(
    start: Any,
    averages: Sequence[Any],
    rounds: Sequence[Sequence[tuple[Event, Weights]]],
    agent: int,
) -> str:
    """Return in words where weights come from that are not the average."""
    own = scripted.Learner(agent).weights()[LAYER]
    before = [w for e, w in rounds[-1] if e.of == agent] if rounds else []
    if not rounds and np.allclose(start, own):
        return (
            "begins with weights of its own: those of GlobalNet are not "
            "handed out at the beginning"
        )
    if before and np.allclose(start, before[0][LAYER]):
        return "goes on from its own weights: it is never synced"
    for other, weights in rounds[-1] if rounds else ():
        if np.allclose(start, weights[LAYER]):
            return f"goes on from the weights of agent {other.of} alone"
    for back, average in enumerate(averages[:-1]):
        if np.allclose(start, average):
            which = (
                "the first weights of GlobalNet: the average is never handed "
                "out"
                if back == 0
                else "an older average: it is handed out a round late"
            )
            return f"goes on from {which}"
    return "goes on from weights that are not the average of the agents"


def it_ends_when_it_should(student: Student) -> str | None:
    """Judge the number of rounds."""
    for run in student.runs:
        case, rounds = run.case, len(run.rounds)
        if rounds == case.rounds:
            continue
        told = ", ".join(f"{score:g}" for score in case.script[:rounds])
        what = (
            f"with target_score {case.target:g} and max_rounds "
            f"{case.max_rounds}, tests of {told}: {rounds} rounds, not "
            f"{case.rounds}: "
        )
        if rounds > case.max_rounds:
            return what + "a wrong end: there are more than max_rounds"
        if rounds < case.rounds:
            return what + "a wrong end: it stops too early"
        if rounds == case.rounds + 1:
            return what + (
                "a wrong end: a test of exactly target_score is good enough"
            )
        return what + "a wrong end: it goes on after target_score is reached"
    return None


def the_best_is_kept(student: Student) -> str | None:
    """Judge the checkpoint."""
    for run in student.runs:
        case = run.case
        best = f"the best is the test of round {case.best}"
        if not run.saved:
            return f"there is no checkpoint, with tests of {case.script}"
        number = round(run.saved["weights"][ROUNDS][0])
        rounds = len(run.rounds)
        if number != case.best:
            which = "the last round" if number == rounds else f"round {number}"
            return f"the checkpoint is of {which}, not the best: {best}"
        if run.saved["score"] != case.script[case.best - 1]:
            return f"the checkpoint has a score of {run.saved['score']}"
        if case.best > rounds:
            continue
        trained = run.rounds[case.best - 1]
        mean = np.mean([weights[LAYER] for _, weights in trained], axis=0)
        if not np.allclose(run.saved["weights"][LAYER], mean):
            return f"the checkpoint has not the average of round {number}"
    return None


def the_scores_are_returned(student: Student) -> str | None:
    """Judge what the driver returns."""
    for run in student.runs:
        expected = list(run.case.script[: len(run.rounds)])
        if list(run.scores) != expected:
            return f"it returns {list(run.scores)}, not {expected}"
    return None


CHECKS = (
    Check("Agent and GlobalNet are actors", there_are_two_actors, True),
    Check("an agent trains once, and returns the new weights",
          an_agent_trains_once),
    Check("an agent goes on from the weights that it is given",
          an_agent_takes_weights),
    Check("weights that are returned are copies", weights_are_copied),
    Check("each agent counts once in the average", each_agent_counts_once),
    Check("averaging changes nobody's weights", average_leaves_its_arguments),
    Check("the average is what is tested", the_average_is_tested),
    Check("train_distributed runs", the_driver_runs, True),
    Check("one GlobalNet, and every agent with its number",
          every_agent_is_there),
    Check("the agents train side by side", agents_train_side_by_side),
    Check("every round goes on from the average",
          agents_go_on_from_the_average),
    Check("it ends with the target, or after max_rounds",
          it_ends_when_it_should),
    Check("the checkpoint is the best", the_best_is_kept),
    Check("the scores of all tests are returned", the_scores_are_returned),
)  # fmt: skip


def _learner(agent: Any) -> Any:
    """Return the learner of an agent, whatever it is called."""
    return next(
        value
        for value in vars(agent).values()
        if isinstance(value, scripted.Learner)
    )


def _weights(*layer: float) -> Weights:
    return {LAYER: np.array(layer), ROUNDS: np.zeros(1)}


def _copy(weights: Weights) -> Weights:
    return {name: np.array(array) for name, array in weights.items()}


def _same(one: Weights, other: Weights) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in other)
