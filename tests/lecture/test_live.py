"""The buttons of a live page: what is killed, and which story that tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import minimr
from lecture.cluster import ClusterStage
from lecture.stage import PressError
from ray_impl.cluster import load_ray, start_cluster
from tests.lecture.conftest import Tab
from tests.lecture.live import served

T = 60


@pytest.fixture
def stage() -> Iterator[ClusterStage]:
    context = minimr.init(num_cpus=1, address="local", log_to_driver=False)
    yield ClusterStage(minimr, context["gcs_address"])
    minimr.shutdown()


def held(folder: Path, api: Any = minimr) -> tuple[Any, int]:
    """Start a task that runs until `let_go`; return it, and its process."""
    os.mkfifo(folder / "begun")
    os.mkfifo(folder / "end")

    @api.remote
    def work(folder: Path) -> int:
        with open(folder / "begun", "w") as file:
            file.write(str(os.getpid()))
        return len((folder / "end").read_text())

    task = work.remote(folder)
    return task, begun(folder)


def begun(folder: Path) -> int:
    return int((folder / "begun").read_text())


def let_go(folder: Path) -> None:
    (folder / "end").write_text("now")


def test_the_kill_button_leads_to_the_story_line(
    stage: ClusterStage, tab: Tab, tmp_path: Path
) -> None:
    task, pid = held(tmp_path)
    with served(stage) as address:
        tab.open(address)
        button = (
            "[...document.querySelectorAll('#stage button')]"
            f".find((each) => each.textContent.includes('worker {pid}'))"
        )
        tab.until(button)
        assert tab.js(f"{button}.title") == "runs work()"
        tab.js(f"void {button}.click()")  # it asks once more
        assert "sure?" in tab.js(f"{button}.textContent")
        tab.js(f"void {button}.click()")
        assert begun(tmp_path) != pid  # the task runs again
        said = "document.getElementById('said').textContent"
        tab.until(f"{said}.includes('worker {pid} killed: work() ran there')")
        told = "page.state.model.stories.map((line) => line.text).join()"
        tab.until(f"{told}.includes('work() runs again: worker {pid} killed')")
        tab.js("void page.show('lanes')")
        assert f"worker {pid} killed: work() ran there" in tab.panel()
        tab.shot("kill-button")
        tab.until(f"!{button}")  # there is no such worker any more
        let_go(tmp_path)
        assert minimr.get(task, timeout=T) == 3
        tab.leave()


def test_what_there_is_now_is_shown(stage: ClusterStage, tab: Tab) -> None:
    @minimr.remote
    class Greeter:
        def greet(self) -> None:
            os.write(1, b"good morning\n")

    greeter = Greeter.options(name="maria").remote()
    minimr.get(greeter.greet.remote(), timeout=T)
    big = minimr.put(b"x" * 2_000_000)
    with served(stage) as address:
        tab.open(f"{address}#view=now")
        tab.until("stage.state.prints.length")
        told = tab.panel()
        for text in ("0 of 1", "maria", "alive", "good morning", "2.0 MB"):
            assert text in told
        assert "greet\tfinished\t1" in told
        tab.shot("now")
        tab.leave()
    del big, greeter


def test_only_what_is_there_can_be_killed(stage: ClusterStage) -> None:
    for target in (f"worker {os.getpid()}", "node", "worker 1", "head"):
        with pytest.raises(PressError, match="nothing to kill"):
            stage.press("kill", target)
    assert not any(
        "node" in b.target for b in stage.buttons() if b[0] != "add"
    )


def test_a_worker_of_ray_is_killed_too(tmp_path: Path) -> None:
    api = load_ray()
    start_cluster(api, 1)
    try:
        stage = ClusterStage(api, api.get_runtime_context().gcs_address)
        task, pid = held(tmp_path, api)
        (button,) = (b for b in stage.buttons() if b.verb == "kill")
        assert button[:2] == ("kill", f"worker {pid}")
        told = stage.press("kill", f"worker {pid}")
        assert told == f"worker {pid} killed: work() ran there"
        assert begun(tmp_path) != pid
        let_go(tmp_path)
        assert api.get(task, timeout=T) == 3
        assert told in [line["text"] for line in stage.look()[0].of("story")]
        assert stage.state()["nodes"][0]["total"]["CPU"] == 1
    finally:
        api.shutdown()
