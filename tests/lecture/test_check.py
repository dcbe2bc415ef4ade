"""The checker names what is wrong in an answer, and always has a verdict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lecture.check import forms, part2
from lecture.check.cli import check
from lecture.check.findings import NOT_WRITTEN, Finding
from lecture.check.grade import Limits, grade
from lecture.check.part2 import Student
from lecture.check.recorder import Recorder
from lecture.check.source import Cell, SourceError, cells_of, load
from lecture.notebooks import build
from tests.lecture import answers, gradings
from tests.lecture.answers import ANSWERS, Answer

# All of them on Ray: python -m tests.lecture.gradings --engine ray
ON_RAY = ("results are pulled through the driver", "training never syncs")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.part}-{a.name}")
def test_an_answer_is_judged(answer: Answer, tmp_path: Path) -> None:
    assert gradings.graded(answer, "minimr", tmp_path, "") == ""


@pytest.mark.parametrize("name", ON_RAY)
def test_an_answer_is_judged_on_ray(name: str, tmp_path: Path) -> None:
    (answer,) = (answer for answer in ANSWERS if answer.name == name)
    assert gradings.graded(answer, "ray", tmp_path, "") == ""


@pytest.mark.parametrize("part", answers.PAGES)
def test_there_are_enough_answers(part: str) -> None:
    mine = [answer for answer in ANSWERS if answer.part == part]
    assert sum(not answer.words for answer in mine) == 4
    assert sum(bool(answer.words) for answer in mine) >= 12


def verdict(text: str, tmp_path: Path, **limits: float) -> Finding:
    """Grade a changed map_function; return the first that is wrong."""
    change = ("    for word in words:\n        yield word.lower(), 1", text)
    path = tmp_path / "answer.py"
    path.write_text(answers.wrong("part2", "", "?", change).text)
    found = grade("part2", path, limits=Limits(**limits))  # type: ignore
    return next(each for each in found if each.wrong)


def test_what_loops_for_ever_is_ended(tmp_path: Path) -> None:
    found = verdict("    while True: pass", tmp_path, cpu_seconds=3)
    assert found.check.startswith("map_function gives a pair")
    assert found.wrong == "it does not end: it has computed for 3 s"


def test_what_waits_for_ever_is_ended(tmp_path: Path) -> None:
    line = "    import threading; threading.Event().wait()"
    found = verdict(line, tmp_path, seconds=3)
    assert found.wrong == "it does not end: it waits, since 3 s"


def test_what_prints_a_gigabyte_is_ended(tmp_path: Path) -> None:
    line = "    for _ in range(1000): print('x' * 1_000_000)"
    found = verdict(line, tmp_path)
    assert found.wrong == "it prints without end: more than 10 MB"


def test_what_takes_all_memory_is_ended(tmp_path: Path) -> None:
    line = "    kept = [bytearray(10_000_000) for _ in iter(int, 1)]"
    found = verdict(line, tmp_path, memory_bytes=500_000_000)
    assert found.wrong == "it takes too much memory: more than 0.5 GB"


def test_a_process_that_ends_is_a_verdict(tmp_path: Path) -> None:
    line = "    import os; print('the end', flush=True); os._exit(3)"
    found = verdict(line, tmp_path)
    assert found.wrong == "its process has ended; it said last: the end"


@pytest.mark.parametrize("part", answers.PAGES)
def test_a_skeleton_is_not_written_yet(part: str, tmp_path: Path) -> None:
    path = tmp_path / "skeleton.ipynb"
    page = build.skeleton(build.source(answers.PAGES[part]))
    path.write_text(json.dumps(build.notebook(page)))
    first = grade(part, path)[0 if part == "part3" else 1]
    if part == "part3":
        assert first.wrong.startswith("Agent is no actor")
    else:
        assert first.wrong.startswith(f"{NOT_WRITTEN} (code cell ")


def space(*cells: str, wanted: str = "f") -> dict[str, object]:
    named = [Cell(f"cell {n}", text) for n, text in enumerate(cells, 1)]
    return load(named, [wanted], {}, "the verbs")


def test_only_what_a_function_needs_is_run() -> None:
    found = space(
        "import minimr as ray\nfrom minimr import nothing",
        "words = 1 / 0\nprint(words)",
        "SIZE = 3\nSIZES = {}\nSIZES[0] = SIZE",
        "def f(words):\n    return g(words), ray, SIZES",
        "def g(words): return 0",
        "def g(words): return words",
        "if __name__ == '__main__': SIZE = f(words)",
    )
    assert found["f"](1) == (1, "the verbs", {0: 3})  # type: ignore
    assert "words" not in found


def test_the_engine_is_handed_in_wherever_it_is_imported() -> None:
    found = space(
        "import importlib\nE = 'ray'\nhere = importlib.import_module(E)",
        "def f():\n    import ray as there\n    return here, there",
    )
    assert found["f"]() == ("the verbs", "the verbs")  # type: ignore


def test_an_error_names_its_cell_and_line() -> None:
    with pytest.raises(SourceError, match="cell 2, line 2, is no Python"):
        space("def f(): pass", "x = 1\nx = = 2")
    with pytest.raises(SourceError, match="there is no f"):
        space("x = 1")


def test_magics_are_no_code(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["%time\n", "if 1:\n", "  !ls"]}
    path = tmp_path / "some.ipynb"
    path.write_text(json.dumps({"cells": [cell]}))
    assert cells_of(path)[0].text == "pass\nif 1:\n  pass"


def test_what_is_no_notebook_is_said(tmp_path: Path) -> None:
    path = tmp_path / "some.ipynb"
    path.write_text("{}")
    (found,) = grade("part2", path)
    assert "is no notebook" in found.wrong


def test_a_student_has_the_verbs_of_an_engine() -> None:
    engine = type("Engine", (), {"nodes": lambda: "nodes"})
    assert Recorder(engine).nodes() == "nodes"
    assert Student([], Path(), Recorder(engine), lambda: None).cells == []


FOUND = [Finding("it runs"), Finding("it counts", "'the' is lost")]


def test_an_engine_that_does_not_start_is_no_fault_of_a_student() -> None:
    def start() -> None:
        raise SourceError("grade it again")

    with pytest.raises(SourceError, match="grade it again"):
        part2.the_driver_runs(Student([], Path(), Recorder(None), start))


def test_people_read_what_is_wrong() -> None:
    assert forms.text("part2", "ada", FOUND) == (
        "part2 of ada: 1 of 2 are right\n"
        "  right  it runs\n"
        "  WRONG  it counts\n"
        "         'the' is lost"
    )


def test_programs_of_a_course_read_the_scores() -> None:
    scope = json.loads(forms.gradescope("part2", "ada", FOUND))
    assert [test["score"] for test in scope["tests"]] == [1, 0]
    assert scope["tests"][1]["status"] == "failed"
    assert scope["tests"][1]["output"] == "'the' is lost"
    rows = list(csv.DictReader(forms.nbgrader("p", "a", FOUND).splitlines()))
    assert [(r["student_id"], r["score"], r["max_score"]) for r in rows] == [
        ("a", "1", "2")
    ]
    assert json.loads(forms.as_json("p", "a", FOUND))["right"] == 1


def test_the_command_writes_a_file_and_says_by_its_code(
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "mine.py", tmp_path / "results.json"
    path.write_text("x = 1")
    done = CliRunner().invoke(
        check,
        ["part3", str(path), "--form", "gradescope", "--output", str(out)],
        standalone_mode=False,
    )
    assert done.return_value == 1
    (test,) = json.loads(out.read_text())["tests"]
    assert "there is no Agent" in test["output"]


def test_the_page_of_the_course_has_every_wrong_answer() -> None:
    page = (build.HERE.parents[1] / "docs" / "course.md").read_text("utf-8")
    for answer in ANSWERS:
        if answer.words:
            row = f"| {answer.part[-1]} | {answer.name} | {answer.words} |"
            assert row in page
