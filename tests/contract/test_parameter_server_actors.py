"""The file on actors when something dies: on Ray, and on minimr's own core."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from minimr.interface.parameter_server import ParameterServerError
from minimr.serial import parameter_server as serial
from minimr.shared.parameter_server.consistency import Gradients, Synchronous
from tests.contract.servers import (
    TIMEOUT_S,
    Rung,
    array,
    load_weights,
    only_on,
    same,
)

ZERO = {"a": array(0, 0), "b": array(0)}

pytestmark = only_on("minimr", "ray")


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> None:
    """Take the place of the check of other tests.

    The cluster keeps the workers that a test made it start.
    """


class Worker:
    """An actor that holds a client."""

    def __init__(self, servers: Any) -> None:
        self.servers = servers

    def push(self, worker: int, update: Any) -> Any:
        self.servers.pull(worker)
        self.servers.push(worker, update)

    def pull(self, worker: int) -> Any:
        return self.servers.pull(worker)

    def die(self) -> None:
        os._exit(1)


@pytest.fixture
def worker(rung: Rung) -> Any:
    """Give the actor, which takes no processor."""
    return rung.api.remote(Worker).options(num_cpus=0)


def test_a_client_works_in_an_actor(rung: Rung, worker: Any) -> None:
    servers = rung.begin(ZERO, 2)
    other = worker.remote(servers)
    servers.push(0, {"a": array(2, 2)})
    rung.api.get(other.push.remote(1, {"b": array(4)}), timeout=TIMEOUT_S)
    expected = {"a": array(2, 2), "b": array(4)}
    pulled = rung.api.get(other.pull.remote(1), timeout=TIMEOUT_S)
    assert same(pulled, expected)
    assert same(servers.pull(0), expected)
    rung.api.kill(other)


def test_an_actor_that_dies_leaves_the_barrier(
    rung: Rung, worker: Any
) -> None:
    servers = rung.begin(ZERO, 2)
    other = worker.remote(servers)
    rung.api.get(other.push.remote(1, ZERO), timeout=TIMEOUT_S)
    servers.push(0, ZERO)
    servers.push(0, {"a": array(6, 6)})
    other.die.remote()
    assert same(servers.pull(0), {**ZERO, "a": array(6, 6)})
    servers.join(1)
    servers.pull(1)


def test_a_server_that_is_killed_changes_nothing(
    rung: Rung, tmp_path: Path
) -> None:
    rules = (2, Synchronous(), Gradients(0.1, momentum=0.9))
    servers = rung.open(
        ZERO,
        *rules,
        num_servers=2,
        checkpoint=tmp_path,
        checkpoint_interval_s=0,
        timeout_s=TIMEOUT_S,
    )
    with servers, serial.ParameterServer(ZERO, *rules) as oracle:
        for number in range(4):
            for who in (0, 1):
                update = {"a": array(number, who), "b": array(1)}
                for rung_of_it in (servers, oracle):
                    rung_of_it.pull(who)
                    rung_of_it.push(who, update)
                if number == 1:  # once in the middle of a round, once not
                    victim = servers._servers[who]
                    rung.api.kill(victim, no_restart=False)
        expected = oracle.pull()
        assert same(servers.pull(), expected)
        until = time.monotonic() + TIMEOUT_S
        while servers.stats().restarts < 2:  # the second may still live
            assert time.monotonic() < until
    assert same(load_weights(tmp_path), expected)


def test_without_a_checkpoint_the_death_of_a_server_is_told(
    rung: Rung,
) -> None:
    servers = rung.open(ZERO, 1)

    def pull_again_and_again() -> None:
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            servers.pull(0)

    rung.api.kill(servers._servers[0])  # a pull may come before its end
    with pytest.raises(ParameterServerError, match="a server is gone"):
        pull_again_and_again()
    servers.close()
