"""What real runs tell: of rung 2 as soon as `get` returns, and of rung 1."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import minimr
from lecture.recording import Recording
from lecture.trace import Run, attempts, read, write
from minimr.interface.mapreduce import Job
from minimr.sockets.mapreduce import MapReduce

T = 60


@pytest.fixture
def api() -> Iterator[Any]:
    minimr.init(num_cpus=2, address="local", log_to_driver=False)
    yield minimr
    minimr.shutdown()


def tasks(run: Run, name: str) -> list[dict[str, Any]]:
    return [task for task in run.of("task") if task["name"] == name]


def test_a_run_is_complete_when_get_returns(api: Any) -> None:
    @api.remote
    def double(x: int) -> int:
        return 2 * x

    @api.remote
    def add(*parts: int) -> int:
        return sum(parts)

    with Recording("minimr", "a sum", api) as recording:
        parts = [double.remote(number) for number in range(50)]
        assert api.get(add.remote(*parts), timeout=T) == 2450
    run = recording.run()
    assert len(tasks(run, "double")) == 50
    (last,) = tasks(run, "add")
    assert set(last["after"]) == {t["id"] for t in tasks(run, "double")}
    order = ("submitted", "sent", "started", "loaded", "executed", "ended")
    for task in run.of("task"):
        assert task["state"] == "FINISHED"
        assert task["worker"].startswith("worker ")
        times = [task[key] for key in order]
        assert times == sorted(times)
        assert task["answered"] <= run.wall_s
    assert read(write([run]).splitlines())[0].lines == run.lines


def test_a_nested_task_knows_its_parent_and_the_wait_is_told(api: Any) -> None:
    @api.remote
    def inner(path: str) -> None:
        with open(path) as file:  # until somebody writes
            file.read()

    @api.remote
    def outer(path: str) -> Any:
        return api.get(inner.remote(path), timeout=T)

    path = "/proc/self/status"
    with Recording("minimr", "nested", api) as recording:
        api.get(outer.remote(path), timeout=T)
    run = recording.run()
    (parent,), (child,) = tasks(run, "outer"), tasks(run, "inner")
    assert child["parent"] == parent["id"]
    assert child["submitted"] >= parent["started"]


def test_an_attempt_that_was_killed_is_shown_with_its_worker(
    api: Any, tmp_path: Path
) -> None:
    @api.remote
    def fragile(path: str) -> int:
        if not os.path.exists(path):
            Path(path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    with Recording("minimr", "a death", api) as recording:
        path = str(tmp_path / "once")
        pid = api.get(fragile.remote(path), timeout=T)
    run = recording.run()
    lost, done = sorted(tasks(run, "fragile"), key=lambda t: t["attempt"])
    assert (lost["state"], done["state"]) == ("DIED", "FINISHED")
    assert done["worker"] == f"worker {pid}"
    assert lost["worker"] not in (done["worker"], "worker 0")
    (story,) = run.of("story")
    assert story["text"].startswith("fragile() runs again: worker ")
    assert len(list(attempts(run))) == 2


def test_an_actor_that_starts_again_is_told(api: Any) -> None:
    @api.remote(max_restarts=1, max_task_retries=1)
    class Counter:
        def pid(self) -> int:
            return os.getpid()

    with Recording("minimr", "a restart", api) as recording:
        counter = Counter.remote()
        first = api.get(counter.pid.remote(), timeout=T)
        os.kill(first, signal.SIGKILL)
        assert api.get(counter.pid.remote(), timeout=T) != first
    run = recording.run()
    (actor,) = run.of("actor")
    assert actor["restarts"] == 1
    assert len(run.of("constructor")) == 1  # the other died before it told
    texts = [story["text"] for story in run.of("story")]
    assert any("the actor Counter starts again" in text for text in texts)


def test_the_code_of_a_function_comes_with_the_run(api: Any) -> None:
    @api.remote
    def told() -> str:
        return "a line that is looked for"

    with Recording("minimr", "code", api) as recording:
        api.get(told.remote(), timeout=T)
    (source,) = recording.run().of("source")
    assert source["file"] == __file__
    assert "a line that is looked for" in source["text"]


def test_each_node_tells_what_it_uses(api: Any) -> None:
    @api.remote
    def work() -> None:
        sum(range(100_000))

    with Recording("minimr", "usage", api) as recording:
        api.get(work.remote(), timeout=T)
        node = api.get_runtime_context().get_node_id()
        until = time.monotonic() + T
        while not (told := of_node(recording.run(), node)):
            assert time.monotonic() < until  # it tells once a second
            time.sleep(0.05)
    assert told[0]["cpu"] >= 0
    assert told[0]["memory"] > 1_000_000


def of_node(run: Run, node: str) -> list[dict[str, Any]]:
    return [line for line in run.of("usage") if line["node"] == node]


def test_nothing_is_kept_when_it_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINIMR_TRACE", "off")
    with minimr.init(num_cpus=1, address="local", log_to_driver=False):
        remote = minimr.remote(lambda: 1)
        with Recording("minimr", "off", minimr) as recording:
            assert minimr.get(remote.remote(), timeout=T) == 1
        run = recording.run()
        assert minimr.timeline() == []
    assert run.of("task") == []


def letters(split: str) -> Iterator[tuple[str, int]]:
    for letter in split:
        yield letter, 1


def total(key: str, ones: list[int]) -> int:
    return len(ones)


def test_rung_1_tells_its_tasks_and_what_a_reduce_task_reads() -> None:
    with (
        MapReduce(2) as engine,
        Recording("sockets", "letters", None) as recording,
    ):
        job = Job("letters", letters, total)
        result = engine.run(job, ["abba", "cc", "d"], 2)
        recording.lines = result.trace()
    run = recording.run()
    maps = {task["id"] for task in tasks(run, "map")}
    assert maps == {"map 0", "map 1", "map 2"}
    assert len({task["id"] for task in tasks(run, "reduce")}) == 2
    for task in tasks(run, "reduce"):
        assert set(task["after"]) == maps
        if task["state"] == "CANCELLED":  # a backup, on a slow machine
            continue
        assert task["sent"] <= task["started"] <= task["ended"] <= run.wall_s


def once(split: str) -> Iterator[tuple[str, int]]:
    if not os.path.exists(split):
        Path(split).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield "a", 1


def test_rung_1_tells_which_tasks_a_death_costs(tmp_path: Path) -> None:
    with (
        MapReduce(1) as engine,
        Recording("sockets", "a death", None) as recording,
    ):
        job = Job("once", once, total)
        result = engine.run(job, [str(tmp_path / "once")], 1)
        recording.lines = result.trace()
    run = recording.run()
    states = [task["state"] for task in tasks(run, "map")]
    assert states[0] == "DIED"
    assert "FINISHED" in states
    (story,) = run.of("story")
    assert "map tasks 0 run again" in story["text"]


def test_a_for_loop_is_one_lane() -> None:
    with Recording("serial", "two steps") as recording:
        step = recording.progress(lambda *told: None)
        step("map", 1, 1)
        step("reduce", 1, 1)
    first, second = attempts(recording.run())
    assert (first["name"], second["name"]) == ("map", "reduce")
    assert first["begin"] == 0.0
    assert first["end"] == second["begin"]
