"""init and shutdown, each program in a process of its own."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.timeout(60)
PROGRAMS = Path(__file__).with_name("programs.py")
ENVIRONMENT = {
    "PYTHONPATH": str(PROGRAMS.parents[2]),
    "RAY_ADDRESS": "local",  # not the cluster that serves other tests
}


@pytest.fixture(scope="module", params=["ray", "minimr"])
def module(request):
    if not hasattr(pytest.importorskip(request.param), "init"):
        pytest.skip(f"{request.param} has no init yet")
    return request.param


@pytest.fixture(scope="module")
def run(module, tmp_path_factory):
    """Run a program until it printed `words`, then close its input.

    Returns:
        What it saw, the lines that it printed, and its exit code.
    """

    def run(program, *arguments, words=()):
        path = tmp_path_factory.mktemp(program) / "seen.json"
        command = [sys.executable, PROGRAMS, module, program, path]
        process = subprocess.Popen(
            [*map(str, command), *map(str, arguments)],
            text=True,
            cwd=PROGRAMS.parents[2],
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        watchdog = threading.Timer(50, process.kill)
        watchdog.start()
        lines, missing = [], set(words)
        while missing and (line := process.stdout.readline()):
            lines.append(line)
            missing -= {word for word in missing if word in line}
        lines += (process.communicate()[0] or "").splitlines()
        watchdog.cancel()
        assert path.exists(), lines
        seen = json.loads(path.read_text())
        return SimpleNamespace(seen=seen, lines=lines, code=process.returncode)

    return run


@pytest.fixture(scope="module")
def lifecycle(run, tmp_path_factory):
    return run("lifecycle", tmp_path_factory.mktemp("working_dir")).seen


@pytest.fixture(scope="module")
def prints(run):
    return run("prints", words=["of a task", "of an actor"])


def test_is_initialized_follows_init_and_shutdown(lifecycle):
    asked = ("before", "after init", "after shutdown")
    assert [lifecycle[key] for key in asked] == [False, True, False]


def test_a_handle_of_before_a_shutdown_is_refused(lifecycle):
    assert lifecycle["kill of old"][0] == "ActorHandleNotFoundError"
    assert lifecycle["call of old"]


def test_the_store_and_what_it_spills_lie_where_one_says(lifecycle):
    assert lifecycle["beyond the store"] == [*range(8)]


def test_shutdown_may_be_called_when_nothing_runs(lifecycle):
    assert lifecycle["shutdown before init"] == []
    assert lifecycle["shutdown twice"] == []


def test_asking_for_nodes_before_init_is_an_error(lifecycle):
    assert "Exception" in lifecycle["nodes before init"]
    assert lifecycle["put after shutdown"] is True


def test_init_twice_is_a_runtime_error(lifecycle):
    assert "RuntimeError" in lifecycle["init twice"]


def test_init_twice_is_ignored_when_asked(lifecycle):
    assert lifecycle["ignored"] == []


def test_functions_of_main_travel_and_call_themselves(lifecycle):
    assert lifecycle["factorial"] == 3628800


def test_classes_of_main_travel_both_ways(lifecycle):
    assert lifecycle["greeting"] == "hello you"
    assert lifecycle["instance"] is True


def test_a_thread_of_the_driver_starts_tasks(lifecycle):
    assert lifecycle["from a thread"] == [6]


def test_init_works_again_after_shutdown(lifecycle):
    assert lifecycle["cpus"] == 1
    assert lifecycle["namespace"] == "second"


def test_a_remote_function_outlives_a_shutdown(lifecycle):
    assert lifecycle["same function"] == 24


@pytest.mark.parametrize("how", ["get of old", "old argument"])
def test_a_reference_of_before_a_shutdown_is_a_value_error(lifecycle, how):
    assert "ValueError" in lifecycle[how]


def test_the_working_dir_and_env_vars_of_init_reach_tasks(lifecycle):
    assert lifecycle["surroundings"] == [42, "from a file", "systems"]


def test_the_first_task_starts_a_cluster_when_none_runs(run):
    assert run("auto_init").seen == {"value": 120, "up": True}


def test_prints_of_tasks_arrive_with_name_and_process_id(prints):
    task, _ = prints.seen["pids"]
    (line,) = [line for line in prints.lines if "words of a task" in line]
    assert "speak" in line
    assert f"pid={task}" in line


def test_prints_of_actors_arrive_with_class_and_process_id(prints):
    _, actor = prints.seen["pids"]
    (line,) = [line for line in prints.lines if "words of an actor" in line]
    assert "Speaker" in line
    assert f"pid={actor}" in line


@pytest.mark.parametrize(("how", "code"), [("returns", 0), ("kill -9", -9)])
def test_nothing_outlives_its_driver(run, eventually, how, code):
    done = run("leaves_nothing", how)
    assert done.code == code
    for pid in done.seen["pids"]:
        eventually(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))
