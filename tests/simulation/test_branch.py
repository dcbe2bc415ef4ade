"""Another future of a run: the same until an entry, and then not."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.cli.simulate import record
from minimr.ladder import EngineError
from minimr.simulation.branch import Branch, BranchError

SEED = 3
Entries = list[dict[str, Any]]
# {program: a message that goes to a worker of it}
ORDERS = {"wordcount": "RunMap", "tasks": "Push"}


def play(program: str, branch: str = "") -> Entries:
    return record(program, [], SEED, branch=branch)


@pytest.fixture(scope="module", params=ORDERS)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def entries(program: str) -> Entries:
    return play(program)


@pytest.fixture
def number(program: str, entries: Entries) -> int:
    """Return the number of the first order to a worker."""
    says = [entry.get("says", ()) for entry in entries]
    return next(n for n, told in enumerate(says) if ORDERS[program] in told)


def test_a_process_is_killed_and_all_before_is_the_same(
    program: str, entries: Entries, number: int
) -> None:
    victim = entries[number]["target"]
    other = play(program, f"{number}:kill={victim}")
    assert other[: number + 1] == entries[: number + 1]
    change = next(e for e in other[number:] if e["what"] == "branch")
    assert change["at"] == entries[number]["at"]
    end = next(e for e in other if e.get("process") == victim and "code" in e)
    assert (end["at"], end["code"]) == (change["at"], -9)


def test_another_message_comes_first(
    program: str, entries: Entries, number: int
) -> None:
    held = entries[number]
    ends = held["source"], held["target"]
    first = next(
        (e["source"], e["target"])
        for e in entries[number:]
        if e.get("says") and e["source"] not in ends
    )
    other = play(program, f"{number}:first={first[0]}>{first[1]}")
    assert other[:number] == entries[:number]
    told = [
        (e["source"], e["target"])
        for e in other[number:]
        if e["what"] == "bytes" and e["says"]
    ]
    assert told.index(first) < told.index(ends)
    assert "nothing" not in [e.get("came") for e in other]


def test_a_message_waits_a_second_for_what_does_not_come(
    program: str, entries: Entries, number: int
) -> None:
    other = play(program, f"{number}:first=nobody>driver 1")
    (gave_up,) = [e for e in other if e.get("came") == "nothing"]
    assert gave_up["at"] == pytest.approx(entries[number]["at"] + 1.0)
    names = ORDERS[program], entries[number]["target"]
    assert names in [
        (name, e["target"])
        for e in other[other.index(gave_up) :]
        for name in e.get("says", ())
    ]


def test_a_branch_is_the_same_run_each_time(program: str, number: int) -> None:
    branch = f"{number}:first=nobody>nobody"
    assert play(program, branch) == play(program, branch)


def test_a_run_without_a_branch_is_as_it_was_after_one(
    program: str, entries: Entries, number: int
) -> None:
    play(program, f"{number}:first=nobody>nobody")
    assert play(program) == entries


@pytest.mark.parametrize(
    "text", ["", "x", "5", "5:kill=", "-1:kill=a", "5:first=a", "5:stop=a"]
)
def test_what_is_no_branch_is_refused(text: str) -> None:
    with pytest.raises(BranchError, match="is no branch"):
        Branch.of(text)


@pytest.mark.parametrize(
    ("branch", "why"),
    [
        ("9:kill=driver 1", "driver 1 cannot be killed"),
        ("9:kill=nobody", "nobody cannot be killed"),
        ("9999999:kill=worker 1", "the trace has only"),
        ("0:first=a>b", "entry 0 of the trace is no message"),
    ],
)
def test_what_cannot_be_says_so(program: str, branch: str, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        play(program, branch)
