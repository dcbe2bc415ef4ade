"""The steps of a simulated run: every message, and the code behind each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lecture.from_simulation import run_of
from lecture.hops import of_messages
from lecture.messages import CATALOGUES, ROOT, role_of
from lecture.messages import places as places_of
from lecture.trace import Line, Run, read, write
from minimr.cli.simulate import record
from tests.lecture.conftest import Tab

Show = Callable[..., Tab]
PROGRAMS = ("wordcount", "parameter-server", "tasks", "objects", "actors")
ONE_TASK = """
import minimr as ray

ray.init()

@ray.remote
def square(x):
    return x * x

print(ray.get(square.remote(3)))
"""


@pytest.fixture(scope="module", params=PROGRAMS)
def entries(request: pytest.FixtureRequest) -> list[Line]:
    return record(request.param, [], 3, kill=1)


def said(entries: list[Line]) -> list[tuple[str, str, str]]:
    return [
        (entry["source"], entry["target"], name)
        for entry in entries
        if entry["what"] == "bytes"
        for name in entry["says"]
    ]


def test_a_run_has_every_message_in_order(entries: list[Line]) -> None:
    messages = run_of(entries).of("message")
    ends = [(m["source"], m["target"], m["name"]) for m in messages]
    assert ends == said(entries)
    assert len(ends) > 50


def test_every_message_has_two_places_in_the_code(
    entries: list[Line],
) -> None:
    messages = run_of(entries).of("message")
    for key, hops in of_messages(messages).items():
        assert len(hops) == 2, key


def test_a_frame_of_rung_2_says_what_it_is_about() -> None:
    made = run_of(record("tasks", [], 3))
    tasks = {task["id"] for task in made.of("task")}
    about = {m["id"] for m in made.of("message") if m["name"] == "Push"}
    assert about == tasks
    assert tasks <= {
        m["id"] for m in made.of("message") if m["name"] == "Done"
    }


def test_a_simulated_run_can_be_kept_as_a_trace(entries: list[Line]) -> None:
    made = run_of(entries)
    (again,) = read(write([made]).splitlines())
    assert again.lines == made.lines


@pytest.mark.parametrize("module", CATALOGUES)
def test_who_makes_and_who_takes_a_message_is_in_the_code(module: str) -> None:
    for side in places_of(module):
        for found in side.values():
            for file, name in found:
                assert (ROOT / file).is_file()
                assert name


@pytest.mark.parametrize(
    ("process", "role"),
    [
        ("driver 1", "driver"),
        ("head 1", "head"),
        ("node 2", "node"),
        ("fork of node 1 2", "worker"),
        ("fork of head 1 1", "worker"),
        ("joined 1", "worker"),
        ("server_main 1", "server"),
        ("fork of driver 1 3", "driver"),
    ],
)
def test_a_name_says_what_a_process_is(process: str, role: str) -> None:
    assert role_of(process) == role


@pytest.fixture
def one_task(tmp_path: Path) -> Run:
    path = tmp_path / "one_task.py"
    path.write_text(ONE_TASK)
    return run_of(record(str(path), [], 5))


def test_a_task_is_seen_on_its_whole_way(show: Show, one_task: Run) -> None:
    tab = show(one_task, link="#view=step&event=0")
    steps = tab.js(
        "page.state.model.events.map((event, step) => { page.stepTo(step);"
        " return [event.message ? event.message.name : null,"
        " [...document.querySelectorAll('#panel h2')]"
        ".map((each) => each.textContent)]; })"
    )
    seen = [name for name, _ in steps if name is not None]
    assert seen == [m["name"] for m in one_task.of("message")]
    for name, titles in steps:
        for side in (" sends: minimr/", " takes: minimr/"):
            told = [title for title in titles if side in title]
            assert len(told) == (name is not None), (name, titles)
    way = ["Demand", "Leased", "Granted", "Push", "Done"]
    assert [name for name in seen if name in way] == way


def test_the_hop_is_lit_from_who_sends_to_who_takes(
    show: Show, one_task: Run
) -> None:
    tab = show(one_task, link="#view=step")
    tab.js(
        "void page.stepTo(page.state.model.events.findIndex((event) =>"
        " event.message && event.message.name === 'Push'))"
    )
    count = "document.querySelectorAll('#architecture {}').length"
    assert tab.js(count.format(".hop")) == 1
    assert tab.js(count.format(".chip.lit")) == 2
    told = tab.js("document.querySelector('#architecture .said').textContent")
    assert told == "Push square()"


def test_the_tables_of_rung_2_are_told_as_they_change() -> None:
    made = run_of(record("actors", [], 3))
    tables = {line["table"] for line in made.of("knows")}
    assert {"leases", "objects", "actors"} <= tables
    told = [text for line in made.of("knows") for text in line["now"].values()]
    assert "alive" in told
    assert any("fork of head 1 1" in text for text in told)
    assert any(text.startswith("own, of ") for text in told)
    assert not any("process 1000" in text for text in told)


def test_the_tables_of_the_ends_of_a_message_are_shown(show: Show) -> None:
    made = run_of(record("tasks", [], 3))
    tab = show(made, link="#view=step")
    tab.js(
        "void page.stepTo(page.state.model.events.findIndex((event) =>"
        " event.message && event.message.name === 'Leased'))"
    )
    table = tab.js("document.querySelector('.stage table').innerText")
    assert "driver 1\tobject 1\tobjects\town, of square(), not there" in table
    assert "head 1\tlease 1\tleases\tfork of head 1 1" in table
