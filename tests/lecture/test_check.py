"""The checker names what is wrong in an answer, and always has a verdict."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from lecture.check import child, forms, part2
from lecture.check.cli import check
from lecture.check.findings import NOT_WRITTEN, Finding
from lecture.check.grade import KEEPER, Limits, grade
from lecture.check.part2 import Student
from lecture.check.recorder import Recorder
from lecture.check.source import Cell, SourceError, cells_of, load
from lecture.notebooks import build
from ray_impl.cluster import warm_up
from tests.cli.running import DEADLINE_S, ROOT, command
from tests.lecture import answers, gradings
from tests.lecture.answers import ANSWERS, Answer

RAY_S = 400  # for its start, on a machine that is busy


def named(answer: Answer) -> str:
    return f"{answer.part}-{answer.name}"


@pytest.fixture(scope="module")
def minimr() -> Iterator[Any]:
    """Start it as a grading does, for many of them."""
    verbs = child.verbs_of("minimr")
    child.start(verbs)
    warm_up(verbs)
    yield verbs
    verbs.shutdown()


@pytest.mark.parametrize("answer", ANSWERS, ids=named)
def test_an_answer_is_judged(
    answer: Answer, minimr: Any, tmp_path: Path
) -> None:
    assert gradings.judged(answer, minimr, tmp_path) == ""


@pytest.mark.timeout(RAY_S + 20)
def test_answers_are_judged_on_ray() -> None:
    """In a process of its own, with one Ray for all of them.

    Each of part 3 starts seven processes: one stands for the others.
    """
    ended = subprocess.run(
        [sys.executable, *KEEPER, "tests.lecture.gradings",
         "--engine", "ray", "--here", "--only", "part2|never syncs"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=RAY_S,
        check=False,
    )  # fmt: skip
    assert "19 graded, 0 misjudged" in ended.stdout, ended.stdout[-2000:]


@pytest.mark.parametrize("part", answers.PAGES)
def test_a_notebook_is_graded(part: str, tmp_path: Path) -> None:
    """In a process of its own, with an engine of its own."""
    (first, *_) = (answer for answer in ANSWERS if answer.part == part)
    assert gradings.graded(first, "minimr", tmp_path, "") == ""


@pytest.mark.parametrize("part", answers.PAGES)
def test_there_are_enough_answers(part: str) -> None:
    mine = [answer for answer in ANSWERS if answer.part == part]
    assert sum(not answer.words for answer in mine) == 4
    assert sum(bool(answer.words) for answer in mine) >= 12


def changed(text: str, tmp_path: Path) -> Path:
    """Write the solution with another map_function."""
    change = ("    for word in words:\n        yield word.lower(), 1\n", text)
    path = tmp_path / "answer.py"
    path.write_text(answers.wrong("part2", "", "?", change).text)
    return path


def verdict(text: str, tmp_path: Path, **limits: float) -> Finding:
    """Grade it with a map_function; return the first that is wrong."""
    path = changed(text + "\n", tmp_path)
    found = grade("part2", path, limits=Limits(**limits))  # type: ignore
    return next(each for each in found if each.wrong)


def test_what_loops_for_ever_is_ended(tmp_path: Path) -> None:
    found = verdict("    while True: pass", tmp_path, cpu_seconds=2)
    assert found.check.startswith("map_function gives a pair")
    assert found.wrong == "it does not end: it has computed for 2 s"


def test_what_waits_for_ever_is_ended(tmp_path: Path) -> None:
    line = "    import threading; threading.Event().wait()"
    found = verdict(line, tmp_path, seconds=3)
    assert found.wrong == "it does not end: it waits, since 3 s"


def test_what_prints_a_gigabyte_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints on, until its end comes: late, here."""
    terminate = subprocess.Popen.terminate

    def late(child: subprocess.Popen[bytes]) -> None:
        threading.Timer(0.5, terminate, (child,)).start()

    monkeypatch.setattr(subprocess.Popen, "terminate", late)
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


def test_a_program_that_leaves_has_an_error_of_its_own(
    tmp_path: Path,
) -> None:
    found = verdict("    import sys; sys.exit(3)", tmp_path)
    assert found.wrong.startswith("it raises SystemExit: 3 (answer.py, line ")


def test_a_program_that_asks_for_input_gets_none(tmp_path: Path) -> None:
    found = verdict("    return [(input(), 1)]", tmp_path)
    assert found.wrong.startswith("it raises EOFError")


# A copy that goes on with the checks, and a daemon that hides.
COPIES = """    import os, time
    if len(words) == 20 and os.fork() and not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(1000)
    for word in words:
        yield word.lower(), 1
"""
ENDLESS = """    from pathlib import Path
    Path({begun!r}).touch()
    while True:
        pass
"""


def left(path: Path) -> list[psutil.Process]:
    """Return the processes that have this path in their command."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if any(str(path) in word for word in process.cmdline()):
                found.append(process)
    return found


def test_copies_of_the_process_are_ended(tmp_path: Path) -> None:
    path = changed(COPIES, tmp_path)
    found = grade("part2", path)
    assert [each.check for each in found if not each.wrong] == [
        check.title for check in part2.CHECKS
    ]
    assert left(tmp_path) == []


def test_what_starts_too_many_processes_is_ended(tmp_path: Path) -> None:
    line = (
        "    import os, time\n"
        "    while os.fork(): time.sleep(0.01)\n"
        "    time.sleep(1000)"
    )
    found = verdict(line, tmp_path, processes=20)
    assert found.wrong == "it starts too many processes: more than 20"
    assert left(tmp_path) == []


def test_a_grader_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    path = changed(ENDLESS.format(begun=str(begun)), tmp_path)
    with subprocess.Popen(command("check", "part2", path)) as grader:
        until = time.monotonic() + DEADLINE_S
        while not begun.exists():
            assert time.monotonic() < until
            time.sleep(0.01)  # a file tells nobody that it is there
        below = psutil.Process(grader.pid).children(recursive=True)
        grader.kill()
    _, alive = psutil.wait_procs(below, timeout=DEADLINE_S)
    assert alive == []


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


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("%time\nif 1:\n  !ls", "pass\nif 1:\n  pass"),
        ("files = !ls\nwhen = %time f()", "files = None\nwhen = None"),
        ("?f\nf.g?\nf??", "pass\npass\npass"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("%%bash\nls | wc", ""),
        ("x = (1\n  % name\n  != 3)", "x = (1\n  % name\n  != 3)"),
    ],
)
def test_magics_are_no_code(cell: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "some.ipynb"
    cells = [{"cell_type": "code", "source": cell.splitlines(True)}]
    path.write_text(json.dumps({"cells": cells}))
    assert cells_of(path)[0].text == code


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no notebook"),
        ("{}", "is no notebook"),
        ('{"cells": []}', "there is no map_function and no do_map_task"),
        (
            '{"cells": [{"cell_type": "code", "source": "x = = 1"}]}',
            "code cell 1, line 1, is no Python: invalid syntax: x = = 1",
        ),
    ],
)
def test_what_is_no_notebook_or_empty_is_said(
    content: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "some.ipynb"
    path.write_text(content)
    (found, *_) = grade("part2", path)
    assert said in found.wrong


def test_a_student_has_the_verbs_of_an_engine() -> None:
    engine = type("Engine", (), {"nodes": lambda: "nodes"})
    assert Recorder(engine).nodes() == "nodes"
    assert Student([], Path(), Recorder(engine), lambda: None).cells == []


FOUND = [Finding("it runs"), Finding("it counts", "'the' is lost")]


def test_an_engine_that_does_not_start_is_no_fault_of_a_student(
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "answer.py", tmp_path / "results.json"
    path.write_text(answers.PART2[0].text)
    done = subprocess.run(
        command("check", "part2", path, "--address", "127.0.0.1:1",
                "--form", "gradescope", "--output", out),
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "minimr: not graded: minimr has not started" in done.stderr
    assert not out.exists()


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
