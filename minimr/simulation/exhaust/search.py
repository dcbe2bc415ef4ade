"""Everything that can happen to one small part, the shortest paths first.

    Model() ── steps() ──> [("assign", 1), ("dies", 2), ...]
       each is played ──> state ──┬─ known: no further
                                  ├─ new: its steps are played as well
                                  └─ a rule is broken: the path to it

Rules:

1. A state is the path that leads to it, and is played again with the real
   classes. So a counterexample can be replayed.
2. Paths are played by their lengths: no counterexample is shorter.
3. Two paths that lead to equal states are one from there on.
4. From each state all goes well for once (`settle`): what never comes to
   rest, or leaves something behind then, is found as well.

After the model checker of DSLabs (Michael et al., EuroSys 2019).
"""

from __future__ import annotations

import gc
import pickle
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

# The name of a method of the model, and its arguments.
Step = tuple[Any, ...]
# A path, from its end to its beginning.
Node = tuple["Node | None", Step]
COLLECT_EVERY = 2_000  # steps


class BrokenError(Exception):
    """A rule does not hold; the text is the rule."""


class Model(ABC):
    """A part, made small, and what the world around it may do.

    Its methods but for these are the steps. They say with `must` what holds.

    Attributes:
        is_data: it can be pickled, which is quicker than to play its path
            once more for each step.
    """

    is_data: ClassVar[bool] = False

    @abstractmethod
    def steps(self) -> list[Step]:
        """Return what may happen now."""

    @abstractmethod
    def state(self) -> Hashable:
        """Return all that makes a difference from here on."""

    @abstractmethod
    def check(self) -> None:
        """Check what holds at any time."""

    @abstractmethod
    def settle(self) -> None:
        """Let nothing go wrong from here on, and check what is left."""


def must(holds: object, rule: str) -> None:
    """Hold a rule.

    Raises:
        BrokenError: it does not hold.
    """
    if not holds:
        raise BrokenError(rule)


@dataclass(frozen=True)
class Counterexample:
    """The shortest way to break a rule."""

    rule: str
    path: tuple[Step, ...]
    settled: bool = False  # it broke when all went well after the path

    def __str__(self) -> str:
        told = [f"  {said(step)}" for step in self.path]
        if self.settled:
            told.append("  ... and from then on all goes well")
        return "\n".join([f"broken: {self.rule}", *told])


@dataclass
class Search:
    """How far a search has come.

    Attributes:
        states: that differ.
        steps: that were played, each at the end of its path.
        depth: of the longest paths.
        complete: nothing more can happen: no path is longer.
    """

    states: int = 1
    steps: int = 0
    depth: int = 0
    complete: bool = False
    found: Counterexample | None = None
    wall_s: float = 0.0


def search(
    make: Callable[[], Model],
    depth: int,
    most: int | None = None,
    report: Callable[[Search], object] = lambda search: None,
) -> Search:
    """Play all paths up to a length, or until a rule is broken.

    Args:
        make: returns the model as it is in the beginning.
        most: states after which no longer paths are begun.
        report: is told of each length.
    """
    result, begin = Search(), time.perf_counter()
    model = make()
    known = {hash(model.state())}
    frontier: list[tuple[Node | None, list[Step]]] = [(None, model.steps())]
    enabled = gc.isenabled()
    gc.disable()
    try:
        while frontier and result.depth < depth and not result.found:
            if most is not None and result.states >= most:
                break
            frontier = _further(make, frontier, known, result)
            result.depth += 1
            result.wall_s = time.perf_counter() - begin
            report(result)
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
    result.complete = not (frontier or result.found)
    return result


def _further(
    make: Callable[[], Model],
    frontier: list[tuple[Node | None, list[Step]]],
    known: set[int],
    result: Search,
) -> list[tuple[Node | None, list[Step]]]:
    """Return the new states that are one step further."""
    found: list[tuple[Node | None, list[Step]]] = []
    for node, steps in frontier:
        path = _path(node)
        again = _again(make, path)
        for step in steps:
            result.steps += 1
            if result.steps % COLLECT_EVERY == 0:
                gc.collect()
                gc.freeze()  # the paths stay
            settling = False
            try:
                model = again()
                play(model, step)
                model.check()
                key = hash(model.state())
                if key in known:
                    continue
                known.add(key)
                result.states += 1
                found.append(((node, step), model.steps()))
                settling = True
                model.settle()
            except BrokenError as broken:
                rule = str(broken)
            except Exception as error:  # noqa: BLE001  the part has failed
                rule = f"nothing is raised, but {error!r} was"
            else:
                continue
            result.found = Counterexample(rule, (*path, step), settling)
            return []
    return found


def replay(make: Callable[[], Model], path: tuple[Step, ...]) -> Model:
    """Return the model as a path leaves it."""
    model = make()
    for step in path:
        play(model, step)
    return model


def play(model: Model, step: Step) -> None:
    """Let a step happen."""
    name, *arguments = step
    getattr(model, name)(*arguments)


def _again(
    make: Callable[[], Model], path: tuple[Step, ...]
) -> Callable[[], Model]:
    """Return what returns the model as a path leaves it, each time anew."""
    model = replay(make, path)
    if not model.is_data:
        return partial(replay, make, path)
    return partial(pickle.loads, pickle.dumps(model, pickle.HIGHEST_PROTOCOL))


def said(step: Step) -> str:
    """Return a step in words."""
    return " ".join(str(part).replace("_", " ") for part in step)


def _path(node: Node | None) -> tuple[Step, ...]:
    steps = []
    while node is not None:
        node, step = node
        steps.append(step)
    return tuple(reversed(steps))
