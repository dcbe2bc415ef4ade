"""Workers, servers and drivers that die, while others wait for them.

| who dies             | the others                                        |
|----------------------|---------------------------------------------------|
| worker               | go on without it; what it had pushed counts       |
| a client, in order   | wait on: its worker lives, and may dial again     |
| server               | send again what was not answered, to the next one |
| server, nothing kept | are told so, at once                              |
| driver               | are told so; the servers end with it              |
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minimr.interface.parameter_server import ParameterServerError
from minimr.net.channel import connect
from minimr.net.handshake import HandshakeError
from minimr.net.token import VARIABLE, load_token
from minimr.serial import parameter_server as serial
from minimr.shared.parameter_server.checkpoint import load
from minimr.shared.parameter_server.consistency import Gradients, Synchronous
from minimr.sockets.parameter_server import ParameterServer
from minimr.sockets.servers import messages as m
from tests.contract.servers import array, load_weights, same
from tests.faults.play import wait_for_end

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0
ZERO = {"a": array(0, 0), "b": array(0)}

Start = Callable[..., ParameterServer]


@pytest.fixture
def start() -> Iterator[Start]:
    opened: list[ParameterServer] = []

    def start_servers(*arguments: Any, **options: Any) -> ParameterServer:
        options.setdefault("timeout_s", DEADLINE_S)
        opened.append(ParameterServer(*arguments, **options))
        return opened[-1]

    yield start_servers
    for servers in opened:
        servers.close()


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def kill(pid: int) -> None:
    """Kill a process, and wait until it is gone."""
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    wait_for_end([process], DEADLINE_S)


def run(program: str, *arguments: str, **options: Any) -> Any:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


WORKER = """
import pickle, sys
servers = pickle.loads(bytes.fromhex(sys.argv[1]))
worker, pushes = int(sys.argv[2]), int(sys.argv[3])
servers.pull(worker)
for _ in range(pushes):
    servers.push(worker, servers.pull())
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("pushes", [0, 1])
def test_a_worker_that_is_killed_leaves_the_barrier(
    start: Start, thread: ThreadPoolExecutor, pushes: int
) -> None:
    servers = start(ZERO, 3, num_servers=2)
    travels = pickle.dumps(servers).hex()
    with run(WORKER, travels, "2", str(pushes)) as process:
        assert process.stdout.readline() == "ready\n"
        servers.push(0, {"a": array(6, 6)})
        servers.push(1, {"a": array(6, 6)})
        if pushes:  # what it has pushed, zero, is a third of the mean
            assert same(servers.pull(0), {**ZERO, "a": array(4, 4)})
            servers.push(0, {"a": array(6, 6)})
            servers.push(1, {"a": array(6, 6)})
        waiting = thread.submit(servers.pull, 0)
        process.kill()
        expected = {**ZERO, "a": array(6, 6)}
        assert same(waiting.result(DEADLINE_S), expected)
        with pytest.raises(ParameterServerError, match=r"join\(2\)"):
            servers.push(2, ZERO)
        servers.join(2)
        servers.pull(2)


def test_a_worker_process_that_ends_leaves_the_barrier(start: Start) -> None:
    servers = start(ZERO, 2)
    with run(WORKER, pickle.dumps(servers).hex(), "1", "0") as process:
        assert process.stdout.readline() == "ready\n"
        servers.push(0, {"a": array(2, 2)})
        process.communicate(timeout=DEADLINE_S)
    assert same(servers.pull(0), {**ZERO, "a": array(2, 2)})


@pytest.mark.parametrize("end", ["thread", "close", "forget"])
def test_a_client_that_is_let_go_of_leaves_its_worker_in(
    start: Start, end: str
) -> None:
    servers = start(ZERO, 2, timeout_s=0)
    client = pickle.loads(pickle.dumps(servers))
    if end == "thread":
        thread = threading.Thread(target=client.pull, args=(1,))
        thread.start()
        thread.join(DEADLINE_S)
    else:
        client.pull(1)
    if end == "close":
        client.close()
    del client
    servers.push(0, ZERO)
    with pytest.raises(ParameterServerError, match="for worker 1"):
        servers.pull(0)
    servers.push(1, ZERO)
    servers.pull(0)


def play(servers: Any, before_round: Callable[[int], None]) -> Any:
    """Push six rounds of two workers; give what comes of it."""
    for number in range(6):
        before_round(number)
        for worker in (0, 1):
            weights = servers.pull(worker)
            update = {
                name: np.asarray(a * np.float32(0.3) + worker + number)
                for name, a in weights.items()
            }
            servers.push(worker, update)
            if worker == 0:
                before_round(number + 100)
    return servers.pull()


@pytest.mark.parametrize("moment", [0, 3, 103])  # 103: half of round 3 is in
@pytest.mark.parametrize("victim", [0, 1])
def test_a_server_that_is_killed_changes_nothing(
    start: Start, tmp_path: Path, moment: int, victim: int
) -> None:
    rules = (2, Synchronous(), Gradients(0.1, momentum=0.9))
    servers = start(
        ZERO,
        *rules,
        num_servers=2,
        checkpoint=tmp_path / "new" / "folder",
        checkpoint_interval_s=0,
    )

    def strike(number: int) -> None:
        if number == moment:
            kill(servers.pids[victim])

    with serial.ParameterServer(ZERO, *rules) as oracle:
        expected = play(oracle, lambda number: None)
    assert same(play(servers, strike), expected)
    assert servers.stats().restarts == 1
    assert same(load_weights(tmp_path / "new" / "folder"), expected)


def test_a_reader_that_waits_does_not_notice_a_new_server(
    start: Start, thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    servers = start(
        ZERO, 2, num_servers=2, checkpoint=tmp_path, checkpoint_interval_s=0
    )
    servers.push(0, {"a": array(2, 2), "b": array(2)})
    waiting = thread.submit(servers.pull, 0)
    for pid in servers.pids:
        kill(pid)
    servers.push(1, {"a": array(4, 4), "b": array(4)})
    expected = {"a": array(3, 3), "b": array(3)}
    assert same(waiting.result(DEADLINE_S), expected)


def test_workers_are_believed_how_far_they_are(
    start: Start, tmp_path: Path
) -> None:
    servers = start(
        ZERO,
        2,
        update=Gradients(1.0),
        num_servers=2,
        checkpoint=tmp_path,
        checkpoint_interval_s=3600,
    )
    ones = {"a": array(1, 1), "b": array(1)}
    for _ in range(5):
        for worker in (0, 1):
            servers.push(worker, ones)
    holds_b = 0 if "b" in servers._ledger.hands[0] else 1
    kill(servers.pids[holds_b])
    for worker in (0, 1):
        servers.push(worker, ones)
    # Five rounds of one server are lost, and nobody waits for them.
    expected = {"a": array(-6, -6), "b": array(-1)}
    assert same(servers.pull(0), expected)
    servers.join(7)
    assert same(servers.pull(7), expected)


def test_without_a_checkpoint_the_death_of_a_server_is_told(
    start: Start,
) -> None:
    servers = start(ZERO, 1, num_servers=2)
    client = pickle.loads(pickle.dumps(servers))
    kill(servers.pids[1])
    with pytest.raises(ParameterServerError, match=r"server 1 at 127\.0"):
        servers.pull(0)
    with pytest.raises(ParameterServerError, match=r"server 1 at 127\.0"):
        client.push(0, ZERO)


def test_a_checkpoint_is_whole_or_the_one_before(
    start: Start, tmp_path: Path
) -> None:
    servers = start(ZERO, 1, checkpoint=tmp_path, checkpoint_interval_s=0)
    servers.push(0, {"b": array(5)})
    draft = tmp_path / "server-0.rounds.draft"
    draft.write_bytes((tmp_path / "server-0.rounds").read_bytes()[:50])
    kill(servers.pids[0])
    assert same(servers.pull(0), {**ZERO, "b": array(5)})
    assert load(tmp_path / "server-0.rounds").clock_of(0) == 1


def test_a_new_run_does_not_begin_with_an_old_checkpoint(
    start: Start, tmp_path: Path
) -> None:
    start(ZERO, 1, checkpoint=tmp_path).push(0, {"b": array(5)})
    servers = start(ZERO, 1, checkpoint=tmp_path)
    kill(servers.pids[0])
    assert same(servers.pull(), ZERO)


def test_a_checkpoint_is_written_when_it_is_due(
    start: Start, tmp_path: Path
) -> None:
    servers = start(ZERO, 1, checkpoint=tmp_path, checkpoint_interval_s=3600)
    servers.push(0, {"b": array(5)})
    assert same(load_weights(tmp_path), ZERO)
    servers.close()  # it is, at the end
    assert same(load_weights(tmp_path), {**ZERO, "b": array(5)})


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        ParameterServer(ZERO, 1, checkpoint=tmp_path / "file" / "folder")


def test_a_client_with_another_token_is_refused(
    start: Start, tmp_path: Path
) -> None:
    client = pickle.loads(pickle.dumps(start(ZERO, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path / "another"))
        with pytest.raises(HandshakeError, match="another token"):
            client.pull()


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("hello", None),
        (None, None),
        (m.Done(), None),
        (m.Push(1, {}, {"a": array(1)}, 1.0), "it cannot do that: KeyError"),
        (m.Pull(1, None, None, 1.0), "it cannot do that"),  # type: ignore[arg-type]
        (m.Start(1, 2, 3, 4), "it cannot do that"),  # type: ignore[arg-type]
    ],
    ids=["a text", "nothing", "an answer", "no clock", "no clocks", "numbers"],
)
def test_a_request_that_makes_no_sense_harms_nobody_else(
    start: Start, message: Any, why: str | None
) -> None:
    servers = start(ZERO, 2)
    channel = connect(servers.addresses[0], load_token(), ["weights"])
    channel.send(message)
    if why is None:
        with pytest.raises(ConnectionError):
            channel.receive(DEADLINE_S)
    else:
        assert why in channel.receive(DEADLINE_S).why
    channel.close()
    servers.leave(1)  # it has asked for it, or did not come
    servers.push(0, {"b": array(5)})
    assert same(servers.pull(0), {**ZERO, "b": array(5)})


DRIVER = """
import sys
import numpy as np
from minimr.sockets.parameter_server import ParameterServer
servers = ParameterServer({"w": np.zeros(3, np.float32)}, 1, num_servers=2)
servers.pull(0)
print(*servers.pids, flush=True)
sys.stdin.read()
"""


def test_nothing_outlives_a_driver_that_is_killed() -> None:
    with run(DRIVER, start_new_session=True) as driver:
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) == 2
        processes = [os.pidfd_open(pid) for pid in pids]
        driver.kill()
        wait_for_end(processes, DEADLINE_S)


def test_ctrl_c_in_the_terminal_ends_the_driver_and_then_the_servers() -> None:
    with run(
        DRIVER, start_new_session=True, stderr=subprocess.DEVNULL
    ) as driver:
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        processes = [os.pidfd_open(pid) for pid in pids]
        os.killpg(driver.pid, signal.SIGINT)
        wait_for_end(processes, DEADLINE_S)


CREW = """
import os, sys
from minimr.training.workers import open_crew
with open_crew("sockets", 2) as crew:
    crew.start(os.getpid, [(), ()])
    print(*crew.results(), flush=True)
    sys.stdin.read()
"""


def test_a_crew_ends_with_the_process_that_started_it() -> None:
    with run(CREW, start_new_session=True) as driver:
        pids = {int(pid) for pid in driver.stdout.readline().split()}
        processes = [os.pidfd_open(pid) for pid in pids]
        assert processes
        driver.kill()
        wait_for_end(processes, DEADLINE_S)
