"""The trace of a run: what is written is read, and what is no trace is not."""

from __future__ import annotations

import json

import pytest

from lecture.from_simulation import is_simulated
from lecture.from_simulation import run_of as simulated
from lecture.trace import TraceError, attempts, read, run_of, write
from tests.lecture.runs import game, hostile, run, task, with_a_death


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
        ([OPEN, json.dumps(game(path=[[0, 0, 0, 0], ["<", 0, 0, 0]]))], "poi"),
        ([OPEN, json.dumps(game(path=[[0, 0, 0, 0]] * 20_000))], "points"),
        ([OPEN, json.dumps(game(ground=[[0, 0]]))], "points"),
        ([OPEN, json.dumps(game(step_s=None))], "step_s"),
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


def test_a_simulated_task_of_rung_2_is_what_its_processes_log() -> None:
    told = "task f() ab01"
    log = [
        {"at": 0.1, "what": "log", "driver 1": f"{told} is sent to x:1"},
        {"at": 0.2, "what": "log", "fork 1": f"{told} begins, attempt 0"},
        {"at": 0.4, "what": "end", "process": "fork 1", "code": -9},
        {"at": 0.5, "what": "log", "driver 1": f"{told} is sent to x:2"},
        {"at": 0.6, "what": "log", "fork 2": f"{told} begins, attempt 1"},
        {
            "at": 0.7,
            "what": "bytes",
            "source": "fork 2",
            "target": "driver 1",
            "says": ["Done"],
        },
        {"at": 0.8, "what": "log", "driver 1": f"{told} has ended"},
    ]
    made = simulated(log)
    lost, done = made.of("task")
    assert made.about["rung"] == "minimr"
    assert (lost["state"], lost["ended"], lost["sent"]) == ("DIED", 0.4, 0.1)
    assert (done["state"], done["ended"], done["sent"]) == (
        "FINISHED",
        0.7,
        0.5,
    )
    assert (done["answered"], done["worker"]) == (0.8, "fork 2")
