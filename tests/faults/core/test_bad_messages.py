"""Messages that make no sense: the link ends, and nothing else does."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

import minimr as ray
from minimr.core.api.session import session
from minimr.net.endpoint import Endpoint
from minimr.net.token import load_token

DEADLINE_S = 20.0

BAD: dict[str, Any] = {
    "a name that nobody has": ("NoSuchMessage",),
    "a private method": ("__init__", 1, 2),
    "too few fields": ("Hello",),
    "too many fields": ("Unpin", [], 1, 2, 3),
    "a question that nobody knows": ("Ask", 1, "NoSuchQuestion", ()),
    "a question with too few fields": ("Ask", 1, "Inspect", ()),
    "a question that is told": ("Inspect", "tasks"),
    "a message that is asked": ("Ask", 1, "View", ([],)),
    "a query of a table that nobody has": ("Ask", 1, "Query", ("no table",)),
    "a text": "hello",
    "a number": 5,
    "nothing": None,
    "no fields at all": (),
    "a hello of lists": ("Hello", [[], [], [], [], []]),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=1, address="local", log_to_driver=False)
    ray.get(ray.remote(lambda: 1).remote())  # the worker is there
    yield
    ray.shutdown()


@pytest.mark.parametrize("kind", ["head", "driver", "worker"])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.usefixtures("cluster")
def test_a_bad_message_costs_its_sender_the_link(
    kind: str, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = ray.remote(lambda: 1)
    assert ray.get(number.remote()) == 1
    runtime = session()
    (worker,) = set(runtime.links) - {runtime.home}
    place = {
        "head": runtime.home, "driver": runtime.address, "worker": worker,
    }  # fmt: skip
    left: list[str] = []
    sender = Endpoint("visitor", load_token(), ("127.0.0.1", 0))
    try:
        sender.left.append(lambda peer, why: left.append(why))
        link = sender.link(place[kind])
        link._outbox.append(BAD[bad])
        sender.hub.dirty[link] = None
        until = time.monotonic() + DEADLINE_S
        while not left:
            assert time.monotonic() < until, "it has kept the link"
            sender.step(0.1)
    finally:
        sender.hub.close()
    assert left == ["it closed the connection"]
    assert ray.get(number.remote()) == 1
    if kind == "driver":
        messages = [r.getMessage() for r in caplog.records]
        assert any("a bad message of 127.0.0.1:" in m for m in messages)
        assert all(r.levelno == logging.WARNING for r in caplog.records)
