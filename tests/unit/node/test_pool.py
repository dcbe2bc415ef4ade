"""Workers on a system that has no room for them."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from minimr.core.node.worker_pool import WorkerPool
from minimr.net.hub import Hub


def fail_with(number: int) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("pipe", errno.EMFILE),
        ("open", errno.ENFILE),
        ("fork", errno.EAGAIN),
        ("fork", errno.ENOMEM),
    ],
)
def test_a_system_without_room_for_a_worker_is_told_once_and_tried_again(
    call: str,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[str] = []
    hub = Hub(b"token", "node")
    pool = WorkerPool(
        lambda *_: os._exit(3),
        watch=hub.watch_file,
        unwatch=hub.unwatch_file,
        later=lambda *_: None,
        read_prints=lambda worker, pipe, error: os.close(pipe),
        last_words=lambda worker: None,
        ended=lambda worker, how: ended.append(how),
    )
    monkeypatch.setattr(pool, "end_orphans", lambda: None)  # the children
    # of this process are other tests'
    files = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail_with(number))
        pool.fork(())
        pool.fork(())
    assert os.listdir("/proc/self/fd") == files
    assert pool.workers == {}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert os.strerror(number) in record.getMessage()
    pool.fork(())
    assert len(pool.workers) == 1
    while not ended:
        hub.poll(10)
    assert "exited with code 3" in ended[0]
    hub.close()
