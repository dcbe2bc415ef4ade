"""A lab that is killed while it is made, shut out, squeezed or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.lab.cli import make_plan
from benchmarks.lab.journal import alone
from benchmarks.lab.lab import Lab
from benchmarks.lab.plan import LabError, Plan

from .conftest import NAME, NEEDS_ROOT, remains

pytestmark = [NEEDS_ROOT, pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[2]
# `up` that is killed before its command number N.
KILLED = """
import os, signal, sys
from itertools import count
from benchmarks.cli import main
from benchmarks.lab.shell import Shell
numbers, last, run = count(1), int(sys.argv.pop(1)), Shell.run_all
def dying(self, commands):
    if next(numbers) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, commands)
Shell.run_all = dying
main()
"""


@pytest.fixture
def plan(home: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    monkeypatch.setenv("MINIMR_LAB", str(Path(home).parent))
    yield make_plan(
        NAME, cpu_share=0.2, bandwidth="20mbit", engine="none", nodes=2
    )
    Lab(home).down()
    assert remains(home) == []


def up_until_killed(step: int, engine: str = "none") -> None:
    options = ["lab", "--name", NAME, "up", "--nodes", "3"]
    options += ["--cpu-share", "0.9", "--bandwidth", "1gbit"]
    options += ["--engine", engine]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *options],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 8, 12, 20, 28])
def test_down_removes_all_that_a_killed_up_has_made(
    plan: Plan, home: str, step: int
) -> None:
    up_until_killed(step)
    assert Lab(home).down()
    assert remains(home) == []
    assert not Path(home).exists()


def test_up_makes_whole_what_a_killed_up_has_left(
    plan: Plan, home: str
) -> None:
    up_until_killed(23, "minimr")  # a node whose link has no address
    lab = Lab(home)
    lab.up(
        make_plan(
            NAME, cpu_share=0.9, bandwidth="1gbit", engine="minimr", nodes=3
        )
    )
    for node in ("n2", "n3"):
        assert reaches(lab, "n1", node)
        assert any("node.main" in c for c in lab.usage()[node].commands)


def test_down_ends_the_engine_of_an_up_that_was_killed(
    plan: Plan, home: str
) -> None:
    up_until_killed(28, "minimr")  # the head runs, the others do not
    heads = [u.commands for u in Lab(home).usage().values()]
    assert [any("node.main" in c for c in h) for h in heads] == [
        True,
        False,
        False,
    ]
    Lab(home).down()
    assert remains(home) == []


def test_down_without_a_lab_does_nothing(plan: Plan, home: str) -> None:
    assert Lab(home).down() is False


def test_what_the_lab_has_not_made_stays(plan: Plan, home: str) -> None:
    foreign = f"{NAME}-n2"
    subprocess.run(["ip", "netns", "add", foreign], check=True)
    try:
        with pytest.raises(LabError, match=f"{foreign} already.*--name"):
            Lab(home).up(plan)
        Lab(home).down()
        assert remains(home) == [f"/run/netns/{foreign}"]
    finally:
        subprocess.run(["ip", "netns", "del", foreign], check=True)


def test_two_commands_do_not_change_a_lab_at_once(
    plan: Plan, home: str
) -> None:
    with alone(home), pytest.raises(LabError, match="wait until it has ended"):
        Lab(home).up(plan)


def test_a_lab_is_not_taken_for_another_one(plan: Plan, home: str) -> None:
    Lab(home).up(plan)
    other = make_plan(NAME, cpu_share=0.5, engine="none", nodes=2)
    with pytest.raises(LabError, match="another lab is up"):
        Lab(home).up(other)


LISTEN = """
import socket, sys
with socket.create_server(("", 7000)) as server:
    server.settimeout(20)
    print("listens", flush=True)
    connection, _ = server.accept()
    with connection:
        while connection.recv(2**16):
            pass
"""
DIAL = """
import socket, sys, time
start = time.monotonic()
with socket.create_connection((sys.argv[1], 7000), 1.5) as connection:
    connection.sendall(bytes(int(sys.argv[2])))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
print(time.monotonic() - start)
"""


def send(lab: Lab, source: str, target: str, size: int) -> str:
    """Send bytes; give the seconds that took, or nothing."""
    program = lab.command(target, [sys.executable, "-c", LISTEN])
    server = subprocess.Popen(program, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"listens\n"
        where = lab.plan.node(target).address
        dial = [sys.executable, "-c", DIAL, where, str(size)]
        command = lab.command(source, dial)
        ended = subprocess.run(command, capture_output=True, timeout=20)
        return ended.stdout.decode()
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def reaches(lab: Lab, source: str, target: str) -> bool:
    return send(lab, source, target, 1) != ""


def test_a_node_that_is_cut_is_out_of_reach_until_it_is_healed(
    plan: Plan, home: str
) -> None:
    lab = Lab(home)
    lab.up(plan)
    assert reaches(lab, "n1", "n2")
    lab.cut("n2")
    assert not lab.usage()["n2"].link_is_up
    assert not reaches(lab, "n1", "n2")
    lab.heal("n2")
    assert lab.usage()["n2"].link_is_up
    assert reaches(lab, "n1", "n2")


def test_a_link_carries_no_more_than_its_bandwidth(
    plan: Plan, home: str
) -> None:
    lab = Lab(home)
    lab.up(plan)
    seconds = float(send(lab, "n1", "n2", 2_000_000))
    # 20 mbit are 2.5 MB a second; the first 131 kB may go at once
    assert seconds > (2_000_000 - 2**17) / 2.5e6 * 0.95
    assert lab.usage()["n1"].sent_bytes > 2_000_000


def test_a_node_gets_no_more_than_its_share_of_a_core(
    plan: Plan, home: str
) -> None:
    lab = Lab(home)
    lab.up(plan)
    burn = lab.command("n1", [sys.executable, "-c", "while True: pass"])
    process = subprocess.Popen(burn)
    try:
        start = time.monotonic()
        lab.await_usage("n1", lambda used: used.cpu_seconds > 0.2, 30)
        assert time.monotonic() - start > 0.2 / 0.2 * 0.8
    finally:
        process.kill()
        process.wait()


def test_a_program_sees_the_node_that_it_runs_in(
    plan: Plan, home: str
) -> None:
    lab = Lab(home)
    lab.up(plan)
    program = "import os; print(os.environ['MINIMR_LAB_NODE'])"
    command = ["lab", "--name", NAME, "exec", "n2", "--"]
    command += [sys.executable, "-c", program]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.stdout == "n2\n"


def test_a_lab_grows_and_those_that_are_there_go_on(
    plan: Plan, home: str
) -> None:
    lab = Lab(home)
    lab.up(plan)
    burn = lab.command("n1", ["sleep", "60"])
    process = subprocess.Popen(burn)
    lab.grow(4)
    assert reaches(lab, "n1", "n4")
    assert process.poll() is None
    lab.kill("n1")
    assert process.wait(5) == -signal.SIGKILL
