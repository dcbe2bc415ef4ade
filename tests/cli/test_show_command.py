"""`minimr show` and `minimr why`: a page that is written, served, and live."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import DEADLINE_S, Minimr, command, environment


def runs_of(page: str) -> list[dict[str, object]]:
    found = re.search(r'id="data">(.*?)</script>', page)
    assert found
    runs: list[dict[str, object]] = json.loads(found[1])["runs"]
    return runs


def test_engines_are_recorded_and_shown_as_one_file(
    minimr: Minimr, book: Path, tmp_path: Path
) -> None:
    done = minimr(
        "wordcount", book, "--engine", "minimr", "--trace", "run.jsonl"
    )
    assert done.returncode == 0, done.stderr
    assert "minimr show run.jsonl" in done.stderr
    done = minimr("show", "run.jsonl", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text("utf-8")
    (run,) = runs_of(page)
    assert run["about"]["engine"] == "minimr"  # type: ignore[index]
    assert {t["name"] for t in run["tasks"]} >= {  # type: ignore[attr-defined]
        "_map_task",
        "_reduce_task",
    }
    done = minimr("why", "run.jsonl")
    assert done.returncode == 0, done.stderr
    assert "tasks compute" in done.stdout


def test_a_word_count_runs_on_several_engines_for_a_page(
    minimr: Minimr, book: Path, tmp_path: Path
) -> None:
    engines = "serial,sockets"
    told = ["show", "wordcount", book, "--engine", engines]
    done = minimr(*told, "--html", "page.html", "--workers", 1)
    assert done.returncode == 0, done.stderr
    runs = runs_of((tmp_path / "page.html").read_text("utf-8"))
    names = [run["about"]["engine"] for run in runs]  # type: ignore[index]
    assert names == ["serial", "sockets"]


def test_ray_tells_its_tasks_and_a_death(tmp_path: Path) -> None:
    told = ["killed_worker", "--engine", "ray", "--trace", "run.jsonl"]
    done = subprocess.run(
        [command()[0], "-m", "lecture", *told],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [
        json.loads(line)
        for line in (tmp_path / "run.jsonl").read_text().splitlines()
    ]
    assert "which results a task takes as arguments" in lines[0]["absent"]
    tasks = [
        line
        for line in lines
        if line["kind"] == "task" and line["name"] == "square"
    ]
    assert len(tasks) >= 10
    assert {task["state"] for task in tasks} == {"FINISHED", "DIED"}
    for task in tasks:
        if task["worker"]:  # else it died before it had reported
            assert task["submitted"] <= task["started"] <= task["ended"]
        assert task["submitted"] <= task["ended"] <= lines[0]["wall_s"]
    stories = [line["text"] for line in lines if line["kind"] == "story"]
    assert any("square() was lost with" in text for text in stories)
    # what its driver did
    assert "get" in [x["name"] for x in lines if x["kind"] == "call"]
    called = [x for x in lines if x.get("what") == "called"]
    assert "square" in [x["name"] for x in called]


def test_a_seed_is_played_and_shown(minimr: Minimr, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import ray\n"
        "ray.init(address='auto')\n"
        "@ray.remote\ndef f(n): return n\n"
        "print(ray.get([f.remote(n) for n in range(3)]))\n"
    )
    done = minimr("show", "program.py", "--seed", 17, "--html", "page.html")
    assert done.returncode == 0, done.stderr
    (run,) = runs_of((tmp_path / "page.html").read_text("utf-8"))
    assert run["about"]["program"] == "program.py, seed 17"  # type: ignore[index]
    names = [task["name"] for task in run["tasks"]]  # type: ignore[index]
    assert names == ["f"] * 3
    for wrong in (["--seed", 17], ["program.py", "--kill", 1]):
        assert minimr("show", *wrong).returncode == 2


def test_a_simulated_run_is_shown(minimr: Minimr, tmp_path: Path) -> None:
    told = ["simulate", "wordcount", "--seed", 3, "--kill", 1]
    assert minimr(*told, "--trace", "sim.jsonl").returncode == 0
    done = minimr("show", "sim.jsonl", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    (run,) = runs_of((tmp_path / "page.html").read_text("utf-8"))
    kinds = {line["kind"] for line in run["lines"]}  # type: ignore[attr-defined]
    assert {"message", "process", "story"} <= kinds


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["gone.jsonl"], "cannot be read"),
        (["bad.jsonl"], "bad.jsonl, line 1"),
        (["wordcount", "book.txt", "--engine", "spark"], "is none of serial"),
        (["--html", "page.html"], "no cluster of minimr runs here"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    minimr: Minimr, book: Path, arguments: list[str], why: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl").write_text("not a trace\n")
    done = minimr("show", *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


Serve = Callable[..., "contextmanager[str]"]


@contextmanager
def served(folder: Path, *arguments: object) -> Iterator[str]:
    """Run `minimr show`; give the address of its page."""
    process = subprocess.Popen(
        command("show", *arguments),
        env=environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=DEADLINE_S) as answer:
        return str(answer.read().decode())


def test_a_trace_is_served_until_ctrl_c(
    minimr: Minimr, book: Path, tmp_path: Path
) -> None:
    told = ["wordcount", book, "--engine", "serial", "--trace", "run.jsonl"]
    assert minimr(*told).returncode == 0
    with served(tmp_path, "run.jsonl") as address:
        assert "http://127.0.0.1:" in address
        (run,) = runs_of(get(address))
    assert run["about"]["engine"] == "serial"  # type: ignore[index]


def test_the_cluster_that_runs_is_shown_live(
    minimr: Minimr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMR_HOME", str(tmp_path / "home"))
    assert minimr("start", "--head", "--num-cpus", 1).returncode == 0
    try:
        with served(tmp_path) as address:
            (run,) = json.loads(get(address.replace("/?", "/runs.json?")))[
                "runs"
            ]
            assert run["tasks"] == []
            program = (
                "import minimr\n"
                "minimr.init()\n"
                "minimr.get(minimr.remote(len).remote([1]))\n"
            ).replace("remote(len)", "remote(lambda x: len(x))")
            done = subprocess.run(
                [command()[0], "-c", program],
                env=environment(tmp_path),
                timeout=DEADLINE_S,
                check=False,
            )
            assert done.returncode == 0
            (run,) = json.loads(get(address.replace("/?", "/runs.json?")))[
                "runs"
            ]
            assert len(run["tasks"]) == 1
    finally:
        assert minimr("stop").returncode == 0
