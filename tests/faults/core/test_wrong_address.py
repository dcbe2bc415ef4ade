"""Who dials the wrong kind of server is told in one line; it lives on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import minimr
from minimr.core.api.session import session
from minimr.sockets.mapreduce import MapReduce
from tests.cli.running import DEADLINE_S, ROOT, command
from tests.faults.play import kept_busy

RUN = "a MapReduce run (`minimr wordcount --listen`)"
HEAD = "the head of a cluster (`minimr start --head`)"
DRIVER = "a program that is connected to a cluster (`init`)"


def refused(*arguments: object) -> str:
    """Give the only line that a command has to say."""
    done = subprocess.run(
        command(*arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_a_cluster_is_no_run() -> None:
    minimr.init(num_cpus=1, address="local")
    try:
        head, driver = session().home, session().address
        ask = minimr.remote(lambda: 1)
        for address, what in ((head, HEAD), (driver, DRIVER)):
            where = "{}:{}".format(*address)
            told = refused("worker", "--address", where)
            assert f"{where}: it is {what}, and not {RUN}" in told
            assert minimr.get(ask.remote()) == 1
    finally:
        minimr.shutdown()


def test_a_driver_is_no_head() -> None:
    minimr.init(num_cpus=1, address="local")
    try:
        where = "{}:{}".format(*session().address)
        told = refused("start", "--address", where)
        assert f"{where}: it is {DRIVER}, and not {HEAD}" in told
        assert minimr.get(minimr.remote(lambda: 1).remote()) == 1
    finally:
        minimr.shutdown()


@pytest.mark.parametrize("arguments", [("start",), ("status",)])
def test_a_run_is_no_cluster(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with MapReduce(num_workers=1) as engine:
        members = engine._coordinator._members
        where = "{}:{}".format(*engine.address)
        with kept_busy(members):
            told = refused(*arguments, "--address", where)
    assert f"it is {RUN}, and not {HEAD}" in told
