"""What an owner remembers of its tasks: all of a while, and bounded."""

from __future__ import annotations

from minimr.core.process.history import MAX_TASKS, History
from minimr.core.process.records import Entry, ObjectRef, References, Task

HERE = "127.0.0.1", 1
SOME = 200


def task(number: int) -> Task:
    id = number.to_bytes(14, "big")
    return Task(id, f"f{number % 3}", b"", b"", b"", [], [], 1)


def remembered(history: History) -> list[int]:
    return [int.from_bytes(row["id"], "big") for row in history.rows([])]


def test_it_remembers_the_latest_tasks_in_the_order_of_their_ends() -> None:
    history, count = History(), MAX_TASKS + 3 * SOME + 7
    for number in range(count):
        history.ended(task(number), "FINISHED")
    kept = remembered(history)
    assert kept == [*range(count - len(kept), count)]
    assert len(kept) == MAX_TASKS


def test_a_row_says_all_of_an_attempt_the_first_and_the_last() -> None:
    history, references = History(), References(HERE)
    entry = Entry(b"input", None, None, references)
    for number in range(SOME + 1):
        one = task(number)
        one.parent, one.submitted, one.sent = b"parent", 1.0, 2.0
        one.refs = [ObjectRef(entry)]
        history.ended(one, "FAILED")
    first, *_, last = history.rows([])
    for row in (first, last):
        assert row["kind"] == "task"
        assert row["state"] == "FAILED"
        assert row["parent"] == b"parent"
        assert (row["submitted"], row["sent"]) == (1.0, 2.0)
        assert row["inputs"] == (b"input",)
    assert (first["name"], last["name"]) == ("f0", f"f{SOME % 3}")


def test_tasks_that_have_not_ended_come_last() -> None:
    history = History()
    history.ended(task(1), "FINISHED")
    states = [row["state"] for row in history.rows([task(2)])]
    assert states == ["FINISHED", "WAITING"]
    assert remembered(history) == [1]
