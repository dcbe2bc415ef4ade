"""A stopped process holds what it runs until somebody ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import minimr as ray
from minimr.exceptions import ActorDiedError, TaskCancelledError

T = 30


@pytest.fixture
def two_cpus() -> Iterator[None]:
    ray.init(num_cpus=2, address="local", log_to_driver=False)
    yield
    ray.shutdown()


@ray.remote
def stop(path: str) -> None:
    with open(path, "w") as pipe:
        pipe.write("stopping")
    os.kill(os.getpid(), signal.SIGSTOP)


@ray.remote
class Stops:
    def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


@pytest.fixture
def pipe(tmp_path: os.PathLike[str]) -> str:
    path = os.path.join(tmp_path, "pipe")
    os.mkfifo(path)
    return path


@pytest.mark.usefixtures("two_cpus")
def test_a_stopped_task_is_ended_by_a_forced_cancel(pipe: str) -> None:
    ref = stop.options(max_retries=0).remote(pipe)
    with open(pipe) as file:
        assert file.read() == "stopping"
    assert ray.get(ray.remote(lambda: 1).remote(), timeout=T) == 1
    ray.cancel(ref, force=True)
    with pytest.raises(TaskCancelledError):
        ray.get(ref, timeout=T)
    both = ray.remote(lambda: 2).options(num_cpus=2)
    assert ray.get(both.remote(), timeout=T) == 2


@pytest.mark.usefixtures("two_cpus")
def test_a_stopped_actor_is_ended_by_kill() -> None:
    actor = Stops.remote()
    ref = actor.stop.remote()
    ray.kill(actor)
    with pytest.raises(ActorDiedError):
        ray.get(ref, timeout=T)


def test_stopped_workers_do_not_hold_up_shutdown(pipe: str) -> None:
    ray.init(num_cpus=2, address="local", log_to_driver=False)
    ref = stop.remote(pipe)
    with open(pipe) as file:
        assert file.read() == "stopping"
    assert ray.wait([ref], timeout=0.1) == ([], [ref])
    ray.shutdown()
