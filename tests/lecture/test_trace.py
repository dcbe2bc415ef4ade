"""The trace of a run: what is written is read, and what is no trace is not."""

from __future__ import annotations

import json

import pytest

from lecture.from_simulation import is_simulated
from lecture.from_simulation import run_of as simulated
from lecture.trace import TraceError, attempts, read, run_of, write
from tests.lecture.runs import hostile, run, task, with_a_death


def test_what_is_written_is_read() -> None:
    runs = [with_a_death(), hostile()]
    again = read(write(runs).splitlines())
    assert [(r.about, r.lines) for r in again] == [
        (r.about, r.lines) for r in runs
    ]


OPEN = write([run()]).strip()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "has no run"),
        (["no json"], "line 1"),
        (["[1, 2]"], "no object"),
        (['{"kind": "story"}'], "no run was opened"),
        (['{"kind": "run", "format": 99}'], "format 99"),
        ([OPEN, '{"kind": "story", "at": "soon"}'], "line 2: 'at'"),
        ([OPEN, '{"kind": "story", "at": NaN}'], "NaN"),
        ([OPEN, '{"kind": "task", "id": "a", "name": "f"}'], "a task has"),
        ([OPEN, json.dumps(task("f", 0, 1, after=[1]))], "more than texts"),
        ([OPEN, json.dumps({**task("f", 0, 1), "name": 3})], "'name' is 3"),
        ([OPEN, '{"kind": "x", "a": ' + "[" * 100_000], "line 2"),
    ],
)
def test_what_is_no_trace_is_refused(lines: list[str], why: str) -> None:
    with pytest.raises(TraceError, match=why):
        read(lines)


def test_a_run_begins_at_zero_and_has_nothing_of_before() -> None:
    before, during = task("f", 10.0, 11.0), task("g", 101.0, 102.5)
    during["submitted"] = 100.5
    made = run_of(
        [before, during], engine="e", program="p", began=100.0, ended=103.0
    )
    (line,) = made.lines
    assert (line["submitted"], line["started"], line["ended"]) == (0.5, 1, 2.5)
    assert made.wall_s == 3.0


def test_an_attempt_that_says_nothing_began_after_those_before_it() -> None:
    done = task("f", 0.1, 0.4, id="a")
    died = task("f", 0.1, 0.6, id="b", state="DIED")
    del died["started"]
    assert [
        (each["id"], each["begin"], each["end"])
        for each in attempts(run(died, done))
    ] == [("a", 0.1, 0.4), ("b", 0.4, 0.6)]


def test_a_simulated_run_has_its_messages_and_its_deaths() -> None:
    entries = [
        {"at": 0.0, "what": "start", "process": "driver 1", "pid": 1},
        {"at": 0.1, "what": "start", "process": "worker 1", "pid": 2},
        {
            "at": 0.2,
            "what": "bytes",
            "source": "driver 1",
            "target": "worker 1",
            "says": ["RunMap"],
        },
        {"at": 0.3, "what": "end", "process": "worker 1", "code": -9},
    ]
    assert is_simulated(entries[0])
    made = simulated(entries)
    (message,) = made.of("message")
    assert (message["source"], message["name"]) == ("driver 1", "RunMap")
    (lost,) = made.of("task")
    assert (lost["state"], lost["ended"]) == ("DIED", 0.3)
    assert "worker 1 was killed" in [s["text"] for s in made.of("story")]
