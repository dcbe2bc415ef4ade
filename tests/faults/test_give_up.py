"""When a job cannot finish, it says why, and the engine lives on."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minimr.interface.mapreduce import JobError
from minimr.sockets.cluster.block_store import StoreError
from tests.faults.play import (
    POLICY,
    SOON,
    SOON_SILENT,
    kill,
    kill_now,
    on,
    stop,
)
from tests.stage import Knock, PlannedError
from tests.table import Table

ALWAYS = 99
BACKUP = 1  # one may run when the last try fails


# {what happens: (script, what the error says)}
ENDLESS = {
    "a map task kills its worker": (on("map 2", kill, ALWAYS), "SIGKILL"),
    "a reduce task kills its worker": (
        on("reduce 1", kill, ALWAYS),
        "SIGKILL",
    ),
    "a map task ends its process": (
        on("map 2", "exit", ALWAYS),
        "exit code 3",
    ),
    "a map task stops its worker": (
        on("map 2", stop, ALWAYS),
        "it has gone silent",
    ),
    "a reduce task hangs": (
        on("reduce 1", "hang", ALWAYS),
        "its task has taken too long",
    ),
}


@pytest.mark.parametrize("fault", ENDLESS)
def test_a_task_that_takes_down_every_worker_fails_the_job(
    start: Any, fault: str
) -> None:
    script, told = ENDLESS[fault]
    task = "map 2" if "map" in fault else "reduce 1"
    gives_up = "stops" in fault or "hangs" in fault
    play = start(script, **SOON if gives_up else {})
    with pytest.raises(JobError) as caught:
        play.submit()
    assert f"{task.split()[0]} task {task[-1]}" in str(caught.value)
    assert told in str(caught.value)
    tries = play.stage.names().count(task)
    assert POLICY.max_attempts <= tries <= POLICY.max_attempts + BACKUP
    play.run_again()


@pytest.mark.parametrize("task", ["map 2", "reduce 1"])
def test_a_task_that_raises_every_time_is_tried_so_often(
    start: Any, task: str
) -> None:
    play = start(on(task, "raise", ALWAYS))
    before = play.pids()
    with pytest.raises(JobError, match=f"{task} was told to raise") as caught:
        play.submit()
    assert isinstance(caught.value.__cause__, PlannedError)
    assert play.stage.names().count(task) == POLICY.max_attempts
    play.run_again()
    assert play.pids() == before, "an error is no death"


@pytest.mark.parametrize("task", ["map 0", "reduce 0"])
def test_the_job_fails_when_no_worker_is_left(start: Any, task: str) -> None:
    def kill_all(knock: Knock) -> str:
        kill_now(*play.pids())
        return "go"

    play = start(restart=False, timing=SOON_SILENT)
    play.stage.script = on(task, kill_all)
    with pytest.raises(JobError, match=r"no worker is left.*SIGKILL"):
        play.submit()
    with pytest.raises(JobError, match="no worker is left"):
        play.submit()


class FullDiskTable(Table):
    """Its map tasks run where files cannot grow any more."""

    def map(self, split: int) -> Iterator[Any]:
        """Set the limit, which the worker then keeps."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        yield from super().map(split)


def test_a_full_disk_fails_the_job_and_is_named(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    play = start(table_type=FullDiskTable, payload_bytes=50_000)
    with pytest.raises(JobError) as caught:
        play.submit()
    assert isinstance(caught.value.__cause__, StoreError)
    assert f"in {tmp_path}: " in str(caught.value)
    assert "set TMPDIR to a folder with more room" in str(caught.value)


class NoFolderTable(Table):
    """Its map tasks run where there is no folder for temporary files."""

    def map(self, split: int) -> Iterator[Any]:
        """Remove the folder before the first block is to be kept."""
        if os.path.isdir(tempfile.gettempdir()):
            os.rmdir(tempfile.gettempdir())
        yield from super().map(split)


def test_a_folder_that_is_gone_fails_the_job_and_not_the_worker(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    play = start(table_type=NoFolderTable, workers=1)
    before = play.pids()
    play.submit().close()  # the file was there before the folder went
    with pytest.raises(JobError, match=r"cannot keep a file in .*/gone"):
        play.submit()
    assert play.pids() == before
