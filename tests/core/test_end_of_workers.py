"""What a program does at its end counts in a worker as well.

Handlers of atexit run, and files that nobody closed are written, when a
worker is asked to end: on Ray and on minimr.
"""

import os
import sys
from pathlib import Path

import psutil
import pytest

ENDS = {
    "exit_actor": lambda api, actor: actor.leave.remote(),
    "terminate": lambda api, actor: actor.__ray_terminate__.remote(),
    "sys.exit": lambda api, actor: actor.sys_exit.remote(),
    "the last handle": lambda api, actor: None,
}


@pytest.fixture
def notes_class(api):
    exit_actor = api.actor.exit_actor

    @api.remote
    class Notes:
        def __init__(self, path):
            import atexit

            self.path = path
            self.file = open(f"{path}.open", "w")  # noqa: SIM115
            atexit.register(self.note, "atexit")

        def note(self, what):
            with open(f"{self.path}.{what}", "w") as file:
                file.write("a line")

        def write(self):
            self.file.write("a line")

        def pid(self):
            return os.getpid()

        def leave(self):
            exit_actor()

        def sys_exit(self):
            sys.exit(0)

    return Notes


def has_line(path):
    return os.path.exists(path) and Path(path).read_text() == "a line"


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("options", [{}, {"max_concurrency": 2}])
def test_an_actor_that_ends_runs_its_handlers_and_writes_its_files(
    api, notes_class, tmp_path, eventually, how, options
):
    path = str(tmp_path / "notes")
    actor = notes_class.options(**options).remote(path)
    api.get(actor.write.remote())
    ref = ENDS[how](api, actor)
    if ref is not None:
        with pytest.raises(api.exceptions.RayActorError):
            api.get(ref, timeout=30)
    del actor
    eventually(lambda: has_line(f"{path}.atexit"))
    eventually(lambda: has_line(f"{path}.open"))


def test_an_actor_that_is_killed_runs_no_handler(api, notes_class, tmp_path):
    path = str(tmp_path / "notes")
    actor = notes_class.remote(path)
    api.get(actor.write.remote())
    process = psutil.Process(api.get(actor.pid.remote()))
    api.kill(actor)
    assert psutil.wait_procs([process], timeout=30)[1] == []
    assert not os.path.exists(f"{path}.atexit")
    assert os.path.getsize(f"{path}.open") == 0


def test_a_task_that_exits_runs_its_handlers(api, tmp_path, eventually):
    path = str(tmp_path / "notes")

    def note():
        with open(path, "w") as file:
            file.write("a line")

    @api.remote(max_retries=0)
    def f():
        import atexit

        atexit.register(note)
        sys.exit(0)

    with pytest.raises(api.exceptions.WorkerCrashedError):
        api.get(f.remote(), timeout=30)
    eventually(lambda: has_line(path))


def test_an_async_actor_that_leaves_runs_its_handlers(
    api, tmp_path, eventually
):
    path = str(tmp_path / "notes")
    exit_actor = api.actor.exit_actor

    def note():
        with open(path, "w") as file:
            file.write("a line")

    @api.remote
    class Waiter:
        async def leave(self):
            import atexit

            atexit.register(note)
            exit_actor()

    with pytest.raises(api.exceptions.RayActorError):
        api.get(Waiter.remote().leave.remote(), timeout=30)
    eventually(lambda: has_line(path))
