"""Everything that can happen to small parts: no rule breaks, all can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core import scheduler
from minimr.core.node.leasing import Leasing, Want
from minimr.core.node.resources import Pool
from minimr.core.process.ownership import Objects
from minimr.core.process.records import Entry
from minimr.shared.parameter_server.rounds import Rounds
from minimr.simulation.exhaust.models import MODELS
from minimr.simulation.exhaust.references import ReferencesModel
from minimr.simulation.exhaust.rounds import RoundsModel
from minimr.simulation.exhaust.search import Model, Search, replay, search
from minimr.sockets.cluster.tracker import Task, Tracker
from tests.simulation.planted import PLANTED, Plant

DEPTHS = {
    "tracker": 6,
    "rounds": 5,
    "references": 5,
    "lease": 7,
    "scheduler": 5,
}


@pytest.mark.parametrize("name", MODELS)
def test_no_rule_breaks_whatever_happens(name: str) -> None:
    result = search(MODELS[name], DEPTHS[name])
    assert result.found is None, str(result.found)
    assert result.states > 500


# ---- each model can fail

# {what somebody has forgotten: (model, how to plant it, the rule)}
BUGS: dict[str, tuple[str, Plant, str]] = {
    name: ("tracker", PLANTED[name][1], rule)
    for name, rule in {
        "a dead worker's outputs are not made again": "dies with it",
        "a dead worker's finished map tasks are not run again": "dies with it",
        "what a dead worker was running is not run again": "is alive",
        "a task that has ended twice belongs to the last one": "the first",
    }.items()
}
BUGS["a push that comes again counts again"] = (
    "rounds",
    PLANTED["a push that comes again counts again"][1],
    "a push counts once",
)


def bug(name: str, model: str, rule: str) -> Callable[[Plant], Plant]:
    def remember(plant: Plant) -> Plant:
        BUGS[name] = model, plant, rule
        return plant

    return remember


@bug("reduce tasks begin with the first map", "tracker", "map tasks go first")
def early(patch: pytest.MonkeyPatch) -> None:
    def phase(self: Tracker) -> list[Task]:
        begun = any(task.holder is not None for task in self.maps)
        return self.reduces if begun else self.maps

    def sources(self: Tracker) -> dict[int, list[int]]:
        return {t.holder: [] for t in self.maps if t.holder is not None}

    patch.setattr(Tracker, "_phase", phase)
    patch.setattr(Tracker, "sources", sources)


@bug("a worker may be a round too far ahead", "rounds", "beyond its stale")
def too_far(patch: pytest.MonkeyPatch) -> None:
    laggards = Rounds.laggards
    patch.setattr(
        Rounds, "laggards", lambda self, clock: laggards(self, clock - 1)
    )


@bug("who leaves ends no round", "rounds", "nobody waits for ever")
def leaves(patch: pytest.MonkeyPatch) -> None:
    def leave(self: Rounds, worker: int) -> None:
        self._read_at.pop(worker, None)

    patch.setattr(Rounds, "leave", leave)


@bug("borrowers are not counted", "references", "is never freed")
def borrowers(patch: pytest.MonkeyPatch) -> None:
    def on_borrow(self: Objects, peer: Any, borrow: Any, reply: Any) -> None:
        reply(None)

    patch.setattr(Objects, "_on_borrow", on_borrow)


@bug("owners hear of no dropped reference", "references", "is freed")
def dropped(patch: pytest.MonkeyPatch) -> None:
    drop = Objects._drop_unused

    def quietly(self: Objects, entry: Entry) -> None:
        if entry.owner is None:
            drop(self, entry)
        elif not entry.handles:
            self.table.pop(entry.id, None)

    patch.setattr(Objects, "_drop_unused", quietly)


@bug("the references of a dead process stay", "references", "is freed")
def dead_borrower(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Objects, "left", lambda self, peer, why: None)


@bug("a lease takes no CPU", "lease", "what is left is in no use")
def takes_none(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pool, "take", lambda self, amounts: None)


@bug("answers on their way are not counted", "lease", "at rest")
def on_the_way(patch: pytest.MonkeyPatch) -> None:
    def answered(self: Leasing, want: Want, count: int) -> None:
        """Neither count the answer, nor what it settles."""

    patch.setattr(Leasing, "_answered", answered)


@bug("leases of a dead owner stay", "lease", "at rest nothing is leased")
def dead_owner(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leasing, "owner_left", lambda self, peer: None)


@bug("a node that is full counts as one that never can", "scheduler", "ever")
def full(patch: pytest.MonkeyPatch) -> None:
    def candidates(shape: m.Shape, nodes: Any) -> Any:
        able = [n for n in nodes if scheduler.fits(n.available, shape)]
        if not able:
            raise scheduler.NeverError("it is full")
        return able, able

    patch.setattr(scheduler, "candidates", candidates)


@bug("a task stays where it cannot run", "scheduler", "every task is run")
def stays(patch: pytest.MonkeyPatch) -> None:
    def least_in_use(task: scheduler.Placement, nodes: Any) -> Any:
        return next(node for node in nodes if node.id == task.here)

    patch.setitem(scheduler.STRATEGIES, "DEFAULT", least_in_use)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_by_a_path_that_can_be_replayed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, plant, rule = BUGS[name]
    plant(monkeypatch)
    found = search(MODELS[model], DEPTHS[model] + 2).found
    assert found is not None
    assert rule in str(found), str(found)
    again = replay(MODELS[model], found.path[:-1])
    assert found.path[-1] in again.steps()


def test_a_task_that_ends_before_its_references_are_known_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes three processes, and some ten steps: four are given here."""
    monkeypatch.setattr(
        Objects, "when_registered", lambda self, function: function()
    )
    begin = (
        ("passes", "owner", "a"),
        ("drops", "owner"),
        ("arrives", "owner", "a"),
        ("passes", "a", "b"),
    )

    def make() -> Model:
        return replay(lambda: ReferencesModel(2, deaths=0), begin)

    found = search(make, 8).found
    assert found is not None
    assert "an object with a reference is never freed" in found.rule


def test_a_counterexample_is_as_short_as_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    BUGS["a dead worker's outputs are not made again"][1](monkeypatch)
    found = search(MODELS["tracker"], 12).found
    assert found is not None
    # Two map tasks and a reduce task are done, and then somebody dies.
    assert [step[0] for step in found.path] == [
        *("assign", "done") * 3,
        "dies",
    ]


def test_a_part_with_few_states_is_searched_to_its_end() -> None:
    reports: list[Search] = []
    result = search(lambda: RoundsModel(1, 1, 0, 0), 20, None, reports.append)
    assert result.complete
    assert result.depth == len(reports) < 20


def test_a_reference_that_comes_back_too_late_is_not_freed_again() -> None:
    path = (
        ("passes", "owner", "a"),
        ("drops", "owner"),
        ("arrives", "owner", "a"),
        ("passes", "a", "b"),
        ("dies", "a"),
        ("arrives", "a", "owner"),
        ("arrives", "a", "b"),
        ("passes", "b", "owner"),
    )
    replay(MODELS["references"], path).settle()
