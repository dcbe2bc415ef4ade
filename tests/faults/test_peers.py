"""Who comes to the port in the middle of a job: helpers, and others."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minimr.net.channel import Channel, connect
from minimr.net.frames import MAX_FRAME_BYTES, records
from minimr.net.handshake import (
    HELLO_BYTES,
    MAGIC,
    PROOF_BYTES,
    Handshake,
    HandshakeError,
)
from minimr.net.seal import TAG_BYTES
from minimr.net.token import VARIABLE, load_token
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.sockets.cluster.messages import (
    Attempt,
    Block,
    Cancel,
    Done,
    Heartbeat,
    Register,
    RunMap,
    TaskId,
)
from tests.faults.play import (
    PATIENT,
    SILENCE_S,
    SOON_SILENT,
    FakeWorker,
    wait_for_end,
    when,
)
from tests.stage import DEADLINE_S, Knock, let_go


def during(play: Any, do: Callable[[], Any]) -> None:
    """Do something while every worker is in its first map task."""

    def script(knock: Knock) -> str:
        if knock is play.stage.knocks[0]:  # so the other workers wait
            do()
        return "go"

    play.stage.script = script


def when_joined(play: Any, do: Callable[[int], Any]) -> None:
    """Hold all tasks until a worker has joined and knocks with one."""
    held: list[Knock] = []

    def script(knock: Knock) -> str | None:
        new = play.joined[0].pid if play.joined else play.join().pid
        held.append(knock)
        if knock.pid != new:
            return None
        do(new)
        play.stage.script = let_go
        for each in held:
            each.answer()
        return "go"

    play.stage.script = script


def test_workers_that_join_in_the_middle_of_a_job_do_tasks(
    start: Any,
) -> None:
    play = start(maps=8)
    when_joined(play, lambda pid: None)
    play.run()
    assert len(play.pids()) == 2, "it is none of ours"
    play.close()
    assert play.joined[0].wait(DEADLINE_S) is not None


def test_a_worker_that_joined_and_dies_is_made_up_for(start: Any) -> None:
    play = start(maps=8)
    when_joined(play, lambda pid: os.kill(pid, signal.SIGKILL))
    assert play.run().stats.reruns >= 1


def test_a_worker_that_stalled_and_goes_on_finds_that_it_was_given_up(
    start: Any,
) -> None:
    """It cannot be killed from here, and its result comes too late."""
    play = start(maps=8, timing=SOON_SILENT)
    when_joined(play, lambda pid: os.kill(pid, signal.SIGSTOP))
    result = play.run()
    while play.run().stats.seconds < SILENCE_S and _lives(play, 0):
        pass  # one of them waits for it, until it is given up
    ended = os.pidfd_open(play.joined[0].pid)
    os.kill(play.joined[0].pid, signal.SIGCONT)
    wait_for_end([ended])
    assert result.merged() == play.table.expected()
    assert play.joined[0].wait(DEADLINE_S) == 0


def _lives(play: Any, number: int) -> bool:
    members = play.engine._coordinator._members
    return play.joined[number].pid in {member.pid for member in members}


def test_nobody_waits_for_partitions_of_a_machine_that_is_gone(
    start: Any,
) -> None:
    """Its connections stay open: only the coordinator can tell."""
    play = start(workers=1, maps=8, policy=PATIENT, timing=SOON_SILENT)
    when_joined(play, lambda pid: None)

    def stop_the_new_one() -> None:
        os.kill(play.joined[0].pid, signal.SIGSTOP)

    result = play.run(when("map", 8, stop_the_new_one))
    assert result.stats.reduce_seconds < play.timing.fetch_timeout_s


def test_a_result_that_comes_too_late_is_dropped(start: Any) -> None:
    """A backup ended first; what the first one says changes nothing."""
    play = start(workers=1, maps=2)
    late: list[tuple[FakeWorker, RunMap]] = []

    def script(knock: Knock) -> str:
        if (knock.name, knock.times) == ("map 0", 1):
            fake = FakeWorker(play.engine.address)
            late.append((fake, fake.receive(RunMap)))
        if knock.name == "reduce 0":  # so both map tasks are done
            fake, order = late[0]
            fake.done(order.attempt)
        return "go"

    play.stage.script = script
    play.run()
    assert [order.attempt.task for _, order in late] == [TaskId("map", 1)]
    assert "map 1" in play.stage.names()
    late[0][0].close()


def test_a_worker_with_another_token_is_told_so_and_refused(
    start: Any, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("00" * 32)
    (tmp_path / "other").chmod(0o600)
    play = start(policy=PATIENT)

    def try_to_join() -> None:
        process = play.join(**{VARIABLE: str(tmp_path / "other")})
        _, told = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 1
        assert "refused by 127.0.0.1:" in told
        assert "has another token" in told

    during(play, try_to_join)
    assert play.run().stats.reruns == 0


def test_a_worker_of_another_python_is_told_so_and_refused(
    start: Any,
) -> None:
    play = start()

    def try_to_join() -> None:
        with socket.create_connection(play.engine.address) as connection:
            other = Handshake(
                load_token(),
                "client",
                ["run"],
                connection,
                "2.7.18",
            )
            connection.sendall(other.start())
            with pytest.raises(HandshakeError) as caught:
                other.receive(connection.recv(4096))
        assert "runs Python 3." in str(caught.value)
        assert "this process 2.7.18" in str(caught.value)

    during(play, try_to_join)
    play.run()


GARBAGE = [
    b"",
    b"\0",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    MAGIC,
    MAGIC + bytes(32),
    MAGIC + bytes(HELLO_BYTES + PROOF_BYTES),
    b"minimr 1\n" + bytes(64),
    b"\x16\x03\x01" + bytes(300),
    bytes(range(256)) * 1_000,
]


def test_garbage_on_the_port_disturbs_nobody(start: Any) -> None:
    play = start(policy=PATIENT)
    silent = socket.socket()

    def send_garbage() -> None:
        for garbage in GARBAGE:
            with socket.create_connection(
                play.engine.address, DEADLINE_S
            ) as connection:
                try:
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                except OSError:  # it was hung up on: as well
                    pass
        for _ in range(20):  # gone before anybody can look
            with socket.create_connection(play.engine.address) as connection:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
        silent.connect(play.engine.address)

    during(play, send_garbage)
    with silent:
        assert play.run().stats.reruns == 0


MAP_0 = Attempt(1, TaskId("map", 0), 0)
# {what a registered peer sends: bytes, a function that makes them with the
# seal of its connection, or a message}
RUBBISH: dict[str, Any] = {
    "bytes that are no frame": b"\xff" * 100,
    "a frame larger than allowed": struct.pack("!IQ", 1, 2**40),
    "a frame with a wrong tag": struct.pack("!IQ", 1, 0) + bytes(TAG_BYTES),
    "a frame that is no pickle": lambda seal: b"".join(
        records([b"hello"], MAX_FRAME_BYTES, seal)
    ),
    "half a frame": struct.pack("!IQ", 1, 100) + b"h",
    "an object that is no message": {"hello": "there"},
    "a message of the wrong direction": RunMap(MAP_0, b""),
    "a second registration": Register("", 1, 9),
    "the end of a task that it was not given": Done(MAP_0, TaskReport()),
    "nothing but heartbeats": Heartbeat(),
}


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_registered_peer_that_sends_rubbish_is_hung_up_on(
    start: Any, rubbish: str
) -> None:
    play = start()

    def register_and_send() -> None:
        fakes.append(FakeWorker(play.engine.address))
        what = RUBBISH[rubbish]
        channel = fakes[0].channel
        if callable(what):
            what = what(channel.seal)
        if isinstance(what, bytes):
            channel.sock.sendall(what)
        else:
            channel.send(what)

    fakes: list[FakeWorker] = []
    during(play, register_and_send)
    play.run()
    play.run_again()
    if "heartbeats" in rubbish or "half" in rubbish:
        play.close()  # or the silence has to be waited for
    assert fakes[0].is_hung_up()
    fakes[0].close()


@pytest.mark.parametrize(
    "message", ["hello", None, Heartbeat(), Block(1, b"")], ids=str
)
def test_who_does_not_register_first_is_hung_up_on(
    start: Any, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    play = start(policy=PATIENT)
    channels: list[Channel] = []

    def send() -> None:
        channels.append(connect(play.engine.address, load_token(), ["run"]))
        channels[0].send(message)

    during(play, send)
    assert play.run().stats.reruns == 0
    with pytest.raises(ConnectionError):
        channels[0].receive(DEADLINE_S)
    channels[0].close()
    assert "instead of registering" in caplog.text


@pytest.mark.parametrize("message", ["hello", None, Cancel(MAP_0)], ids=str)
def test_who_gives_orders_to_a_worker_and_is_not_its_coordinator(
    start: Any, message: Any
) -> None:
    play = start(workers=1)
    play.run()
    (worker,) = play.engine._coordinator._members
    channel = connect(worker.data_address, load_token(), ["blocks"])
    channel.send(message)
    with pytest.raises(ConnectionError):
        channel.receive(DEADLINE_S)
    channel.close()
    play.run_again()
    assert list(play.engine._coordinator._members) == [worker]


def test_a_peer_that_takes_a_task_and_never_answers_is_backed_up(
    start: Any,
) -> None:
    play = start(maps=3)
    fakes: list[FakeWorker] = []

    def register_and_take_a_task() -> None:
        fakes.append(FakeWorker(play.engine.address))
        fakes[0].receive(RunMap)

    during(play, register_and_take_a_task)
    assert play.run().stats.reruns >= 1
    fakes[0].close()


def test_a_peer_that_has_done_all_and_serves_nothing_is_found_out(
    start: Any,
) -> None:
    play = start(maps=3)
    fakes: list[FakeWorker] = []

    def claim_a_task() -> None:
        fakes.append(FakeWorker(play.engine.address))
        order = fakes[0].receive(RunMap)
        fakes[0].done(order.attempt)
        fakes[0].close()

    during(play, claim_a_task)
    assert play.run().stats.reruns >= 1
