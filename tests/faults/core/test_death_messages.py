"""The error for a worker that died says how it died, and what to look for."""

from __future__ import annotations

import os
import signal
import sys

import pytest

import minimr as ray
from minimr.exceptions import ActorDiedError, RayError, WorkerCrashedError

pytestmark = pytest.mark.usefixtures("one_cpu")
T = 60
WAYS = {  # how: what the error says
    # What the kernel sends when memory is short.
    "SIGKILL": ("killed by SIGKILL", "ran out of memory", "dmesg"),
    "SIGSEGV": ("killed by SIGSEGV", "segmentation fault", "native code"),
    "SIGABRT": ("killed by SIGABRT", "abort", "native code"),
    "SIGTERM": ("killed by SIGTERM",),
    "sys.exit": ("exited with code 3", "sys.exit() or os._exit()"),
    "os._exit": ("exited with code 3", "sys.exit() or os._exit()"),
}


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check after each test: the cluster is shared."""


def die(how: str) -> None:
    print("the last words", flush=True)  # noqa: T201  what a worker prints
    if how == "sys.exit":
        sys.exit(3)
    if how == "os._exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


class Dies:
    def call(self, how: str) -> None:
        die(how)


def check(error: RayError, how: str) -> None:
    for words in (*WAYS[how], "worker ", "the last words"):
        assert words in str(error)


@pytest.mark.parametrize("how", WAYS)
def test_the_error_of_a_task_says_how_its_worker_died(how: str) -> None:
    with pytest.raises(WorkerCrashedError) as caught:
        ray.get(ray.remote(max_retries=0)(die).remote(how), timeout=T)
    check(caught.value, how)


@pytest.mark.parametrize("how", WAYS)
def test_the_error_of_a_call_says_how_its_actor_died(how: str) -> None:
    actor = ray.remote(Dies).remote()
    with pytest.raises(ActorDiedError) as caught:
        ray.get(actor.call.remote(how), timeout=T)
    check(caught.value, how)
