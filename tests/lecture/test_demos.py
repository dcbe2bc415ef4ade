"""The demos: short, and each runs, checks itself and names its pattern."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from lecture.command import demos, engines, lecture, run
from lecture.why import why

HERE = Path(__file__).parents[2] / "lecture/demos"
# {demo: what `why` finds}
FINDS = {
    "killed_worker": "work was lost",
    "killed_node": "work was lost",
    "small_tasks": "tasks are too small",
    "get_in_a_loop": None,
    "nested_gets": "tasks wait in get",
}


def test_every_demo_has_its_minute_in_the_list() -> None:
    there = {path.stem for path in HERE.glob("[a-z]*.py")}
    assert set(demos()) == there


@pytest.mark.parametrize("name", demos())
def test_a_demo_fits_on_a_slide_and_says_what_to_watch(name: str) -> None:
    lines = (HERE / f"{name}.py").read_text("utf-8").splitlines()
    assert len(lines) <= 40
    assert any(line.startswith("Watch:") for line in lines)


@pytest.mark.parametrize("name", demos())
def test_a_demo_runs_and_checks_itself(name: str) -> None:
    demo = importlib.import_module(f"lecture.demos.{name}")
    made = run(demo, engines(demo)[0])
    assert made.of("task")
    found = why(made)
    total = sum(found.sums().values())
    assert total == pytest.approx(made.wall_s)
    expected = FINDS.get(name)
    if expected is not None:
        assert expected in [finding.name for finding in found.findings]


@pytest.mark.parametrize(
    ("name", "what", "again"),
    [("backup_task", "backup", "map 5"), ("lost_outputs", "death", "map")],
)
def test_a_demo_of_rung_1_tells_what_runs_again(
    name: str, what: str, again: str
) -> None:
    made = run(importlib.import_module(f"lecture.demos.{name}"), "sockets")
    stories = list(made.of("story"))
    tasks = [task for story in stories for task in story["tasks"]]
    assert any(task.startswith(again) for task in tasks)
    times = [story["at"] for story in stories if story["what"] == what]
    (question,) = made.of("question")
    assert question["at"] == min(times)


def test_an_engine_that_a_demo_is_not_shown_on_is_refused() -> None:
    for name, engine in (("backup_task", "both"), ("zero_copy", "sockets")):
        done = CliRunner().invoke(lecture, [name, "--engine", engine])
        assert done.exit_code == 2
        assert f"{name} is shown on" in done.output


def test_a_killed_worker_and_an_actor_that_restarts_are_told() -> None:
    texts = []
    for name in ("killed_worker", "actor_restart"):
        made = run(importlib.import_module(f"lecture.demos.{name}"), "minimr")
        texts += [story["what"] for story in made.of("story")]
    assert {"retry", "restart"} <= set(texts)
