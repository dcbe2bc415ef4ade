"""Two processes of two machines may have one process id."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

import minimr as ray
from minimr.core.messages import Query
from minimr.net.endpoint import Endpoint
from minimr.net.token import load_token

T = 30


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    stranger = Endpoint("worker", load_token(), ("127.0.0.1", 0))
    yield stranger
    stranger.hub.close()


def test_a_worker_of_elsewhere_does_not_take_the_place_of_ours(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ray.remote
    def process_id() -> int:
        return os.getpid()

    host, _, port = ray.init(num_cpus=1, log_to_driver=False)[
        "address"
    ].rpartition(":")
    try:
        pid = ray.get(process_id.remote(), timeout=T)
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: pid)
            link = endpoint.link((host, int(port)))
        greeted: list[object] = []
        endpoint.ask(link, greeted.append, Query("nodes"))
        until = time.monotonic() + T
        while not greeted and time.monotonic() < until:
            endpoint.step(1)
        assert greeted, "the node has heard us"
        # Of another shape, so that the node is asked for a worker again.
        other = process_id.options(num_cpus=0.5)
        assert ray.get(other.remote(), timeout=T) == pid
        assert len(ray.nodes()) == 1
    finally:
        ray.shutdown()
