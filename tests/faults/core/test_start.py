"""What a driver can rely on as soon as `init`, or a node's start, is over."""

from __future__ import annotations

import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import minimr as ray
from minimr.core import messages as m
from minimr.core.api.spawn import node_options, spawn_node
from minimr.net.endpoint import Endpoint
from minimr.net.token import load_token

DEADLINE_S = 20.0

STARTS = 5  # by the clock; the tests below decide who is slow


def test_the_first_question_finds_the_node_that_answers_it() -> None:
    for _ in range(STARTS):
        ray.init(num_cpus=3, address="local")
        try:
            assert len(ray.nodes()) == 1
            assert ray.cluster_resources()["CPU"] == 3
        finally:
            ray.shutdown()


class SlowHead(Endpoint):
    """A head that hears reports, and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__("head", load_token(), ("127.0.0.1", 0))
        self.heard: list[str] = []
        self.replies: list[Any] = []
        self.serve(m.Report.to(self._on_report), m.Query.to(self._on_query))

    def _on_report(self, peer: Any, report: m.Report) -> None:
        self.heard.append("report")

    def _on_query(self, peer: Any, query: m.Query, reply: Any) -> None:
        self.heard.append("query")
        self.replies.append(reply)


def test_a_node_has_started_when_its_head_knows_of_it() -> None:
    head = SlowHead()
    options = node_options(1, 0, None, 2**20) | {"head": head.address}
    with ThreadPoolExecutor(1) as thread:
        start = thread.submit(spawn_node, options)
        until = time.monotonic() + DEADLINE_S
        while not head.replies:
            assert time.monotonic() < until
            assert not start.done(), "it has not waited for the answer"
            head.step(0.1)
        assert head.heard == ["report", "query"]
        head.replies[0]([])
        while not start.done():
            assert time.monotonic() < until
            head.step(0.1)
    node, _ = start.result()
    head.hub.close()
    assert node.wait(DEADLINE_S) == 0  # it ends with its head


def test_a_node_that_has_no_head_does_not_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = listener.getsockname()
    options = node_options(1, 0, None, 2**20) | {"head": gone}
    with pytest.raises(OSError, match=r"the head at 127\.0\.0\.1:.* is gone"):
        spawn_node(options)


def test_a_node_and_its_workers_may_open_as_many_files_as_allowed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        ray.init(num_cpus=1, address="local")
        limit = ray.remote(lambda: resource.getrlimit(resource.RLIMIT_NOFILE))
        assert ray.get(limit.remote()) == (hard, hard)
    finally:
        ray.shutdown()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_node_that_is_told_to_end_still_answers_what_came_with_it() -> None:
    node, address = spawn_node(node_options(1, 0, None, 2**20))
    visitor = Endpoint("visitor", load_token(), ("127.0.0.1", 0))
    answers: list[Any] = []
    link = visitor.link(address)
    link.post(m.Stop("a test says so"))
    visitor.ask(link, answers.append, m.Query("nodes"))
    until = time.monotonic() + DEADLINE_S
    while not answers:
        assert time.monotonic() < until
        visitor.step(0.1)
    visitor.hub.close()
    assert node.wait(DEADLINE_S) == 0
    assert [info.address for info in answers[0]] == [address]
