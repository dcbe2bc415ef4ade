"""The timeline: Chrome's trace format, as Perfetto reads it."""

from __future__ import annotations

import json
import pickle
from itertools import chain, pairwise
from typing import Any

from minimr.core.api.trace import PHASES, chrome_trace, task_rows

RAN = ("task", b"\1", "f", True, 1.0, 1.5, 3.0, 3.25)
RAISED = ("task", b"\2", "g", False, 4.0, 4.5, None, 5.0)
FETCHED = ("object", b"\3", "fetch 10 MB", True, 1.0, None, None, 2.0)


def blob(node: str, row: str, *events: Any) -> bytes:
    return pickle.dumps((node, row, [*chain(*events)]))


def trace() -> list[dict[str, Any]]:
    return chrome_trace(
        [
            blob("node-one", "worker 11", RAN),
            blob("node-two", "worker 22", RAISED),
            blob("node-two", "object store", FETCHED),
            blob("node-one", "worker 11", RAISED),
        ]
    )


def complete() -> list[dict[str, Any]]:
    return [event for event in trace() if event["ph"] == "X"]


def test_every_event_has_what_perfetto_asks_for() -> None:
    for event in json.loads(json.dumps(trace())):
        assert event["ph"] in ("X", "M")
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        assert event["name"]
        assert event["ph"] == "M" or event["dur"] >= 0


def test_each_row_is_named_once_and_belongs_to_its_node() -> None:
    names = [
        (event["name"], event["pid"], event["args"]["name"])
        for event in trace()
        if event["ph"] == "M"
    ]
    one, two = 1, 2
    assert sorted(names) == [
        ("process_name", one, "node node-one"),
        ("process_name", two, "node node-two"),
        ("thread_name", one, "worker 11"),
        ("thread_name", two, "object store"),
        ("thread_name", two, "worker 22"),
    ]


def test_a_task_has_its_phases_within_it_one_after_the_other() -> None:
    whole, *phases = [e for e in complete() if e["pid"] == 1][:4]
    assert [phase["name"] for phase in phases] == list(PHASES)
    assert [phase["dur"] for phase in phases] == [0.5e6, 1.5e6, 0.25e6]
    assert phases[0]["ts"] == whole["ts"]
    for earlier, later in pairwise(phases):
        assert earlier["ts"] + earlier["dur"] == later["ts"]
    ends = phases[-1]["ts"] + phases[-1]["dur"]
    assert ends == whole["ts"] + whole["dur"]


def test_an_attempt_that_raised_ends_in_the_phase_that_raised() -> None:
    whole, *phases = [e for e in complete() if e["pid"] == 2][:3]
    assert not whole["args"]["succeeded"]
    assert [phase["name"] for phase in phases] == list(PHASES[:2])


def test_a_transfer_is_one_bar_in_the_row_of_the_store() -> None:
    (bar,) = [e for e in complete() if e["cat"].startswith("object")]
    assert bar["name"] == "fetch 10 MB"
    assert bar["dur"] == 1e6


def test_the_list_of_tasks_says_how_each_ended() -> None:
    rows = task_rows([blob("n", "worker 1", RAN, RAISED, FETCHED)])
    ended = [(row["name"], row["state"], row["seconds"]) for row in rows]
    assert ended == [("f", "FINISHED", 2.25), ("g", "FAILED", 1.0)]
