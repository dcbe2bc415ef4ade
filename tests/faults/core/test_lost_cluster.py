"""The driver's node or the head dies: every verb says so, none waits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minimr as ray
from minimr.cluster_utils import Cluster
from minimr.core.process.current import find
from minimr.exceptions import LocalRayletDiedError
from tests.faults.core.cluster import Nodes, T, eventually, until_there_are


@ray.remote
def nap() -> None:
    time.sleep(100)


@ray.remote
class Sleeper:
    def nap(self) -> None:
        time.sleep(100)


@pytest.fixture
def own_node() -> Iterator[int]:
    """Be the driver of a node that it has started; give its process id."""
    ray.init(num_cpus=2, address="local", log_to_driver=False)
    (node,) = ray.nodes()
    yield node["pid"]
    ray.shutdown()


@ray.remote
def end() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(100)


@ray.remote
class Ender:
    def end(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(100)


async def awaited(ref: Any) -> None:
    await ref


def waited(*refs: Any) -> None:
    ray.get(ray.wait([*refs], num_returns=2)[0])


BLOCKED: dict[str, Callable[[], Any]] = {
    "get of a task": lambda: ray.get(end.remote()),
    "get of a call": lambda: ray.get(Ender.remote().end.remote()),
    "get of many": lambda: ray.get([ray.put(1), nap.remote(), end.remote()]),
    "wait": lambda: waited(nap.remote(), end.remote()),
    "await": lambda: asyncio.run(awaited(end.remote())),
}


@pytest.mark.usefixtures("own_node")
@pytest.mark.parametrize("verb", BLOCKED)
def test_what_waits_says_that_the_node_is_gone(verb: str) -> None:
    with pytest.raises(LocalRayletDiedError, match=r"gone.*init\(\) again"):
        BLOCKED[verb]()


def test_every_later_verb_says_that_the_node_is_gone(own_node: int) -> None:
    actor, ref = Sleeper.remote(), nap.remote()
    far = ray.put(np.zeros(10**6))
    os.kill(own_node, signal.SIGKILL)
    eventually(lambda: find().lost)
    verbs: list[Callable[[], Any]] = [
        nap.remote,
        Sleeper.remote,
        actor.nap.remote,
        ray.nodes,
        ray.cluster_resources,
        ray.timeline,
        lambda: ray.get(ref),
        lambda: ray.get(far),
        lambda: ray.wait([ref]),
        lambda: ray.put(1),
        lambda: ray.put(np.zeros(10**6)),
        lambda: ray.kill(actor),
        lambda: ray.cancel(ref),
        lambda: ray.get_actor("nobody"),
    ]
    for verb in verbs:
        with pytest.raises(LocalRayletDiedError, match="is gone"):
            verb()


def test_after_shutdown_there_can_be_another_cluster(own_node: int) -> None:
    os.kill(own_node, signal.SIGKILL)
    with pytest.raises(LocalRayletDiedError):
        ray.get(nap.remote(), timeout=T)
    ray.shutdown()
    ray.init(num_cpus=1, address="local", log_to_driver=False)
    assert ray.get(ray.remote(lambda: 1).remote(), timeout=T) == 1


@pytest.mark.parametrize("graceful", [True, False])
def test_the_end_of_another_node_is_not_ours(graceful: bool) -> None:
    cluster = Cluster(True, True)
    try:
        other = cluster.add_node(resources={"there": 1})
        there = ray.remote(resources={"there": 1})(lambda: 1)
        assert ray.get(there.remote(), timeout=T) == 1  # so it knows us
        cluster.remove_node(other, allow_graceful=graceful)
        cluster.wait_for_nodes()
        assert ray.get(ray.remote(lambda: 2).remote(), timeout=T) == 2
    finally:
        cluster.shutdown()


PROGRAM = """
import os, signal, time
import minimr as ray
from minimr.core.process.current import find

ray.init(num_cpus=1, address="local")

@ray.remote
def end():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(100)

ray.get(end.remote())
"""


def test_a_program_that_has_lost_its_node_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=T,
        check=False,
    )
    assert ended.returncode == 1
    assert "LocalRayletDiedError: the node at 127.0.0.1:" in ended.stderr
    assert ended.stderr.count("Traceback") == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("mine", ["at the head", "at another node"])
def test_what_waits_says_that_the_head_is_gone(
    mine: str, how: signal.Signals
) -> None:
    nodes = Nodes(1, 2)
    try:
        port = nodes.ports[mine == "at another node"]
        ray.init(f"127.0.0.1:{port}", log_to_driver=False)
        until_there_are(2)
        refs = [nap.remote() for _ in range(3)]
        nodes.end(0, how)
        with pytest.raises(LocalRayletDiedError, match=str(nodes.ports[0])):
            ray.get(refs, timeout=T)
        with pytest.raises(LocalRayletDiedError, match=str(nodes.ports[0])):
            ray.nodes()
    finally:
        ray.shutdown()
        nodes.close()
