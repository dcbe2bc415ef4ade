"""The simulated machine: threads, processes, connections, signals, time."""

from __future__ import annotations

import errno
import selectors
import signal
from collections.abc import Callable
from typing import Any

import pytest

from minimr.simulation.machine import Machine
from minimr.simulation.processes import Process
from minimr.simulation.programs import DRIVER, Program
from minimr.simulation.runs import Outcome, installed, play, prepared
from minimr.simulation.world import Hang, World
from minimr.system import machine

OTHER = "10.0.0.2"


def run(*mains: Callable[[], Any], seed: int = 0) -> Machine:
    """Run processes, each on a machine of its own, until all have ended."""
    world = World(seed, 1000.0)
    simulated = Machine(world)
    with prepared(), installed(simulated):
        for number, main in enumerate(mains):
            simulated.processes.make("main", main, f"10.0.0.{number + 1}")
        world.run(lambda: not simulated.processes.running)
    if world.crashes:
        raise AssertionError(world.crashes[0])
    errors = [entry for entry in world.trace if entry["what"] == "error"]
    assert errors == []
    return simulated


def test_to_sleep_takes_virtual_time_only() -> None:
    def main() -> None:
        begin = machine.monotonic()
        machine.sleep(500)
        assert machine.monotonic() - begin == pytest.approx(500)

    assert run(main).world.now == pytest.approx(500)


def test_a_lock_is_held_by_one_thread() -> None:
    inside: list[int] = []

    def main() -> None:
        lock = machine.lock()

        def work() -> None:
            for _ in range(5):
                with lock:
                    inside.append(1)
                    assert len(inside) == 1
                    machine.sleep(0.1)
                    inside.pop()

        threads = [machine.thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert run(main).world.now == pytest.approx(2.0)


def test_who_waits_for_a_condition_hears_of_it_or_of_the_time() -> None:
    heard: list[bool] = []

    def main() -> None:
        condition = machine.condition()

        def wait(seconds: float) -> None:
            with condition:
                heard.append(condition.wait(seconds))

        machine.thread(target=wait, args=(1.0,)).start()
        machine.thread(target=wait, args=(3.0,)).start()
        machine.sleep(2.0)
        with condition:
            condition.notify_all()

    run(main)
    assert heard == [False, True]


def test_what_is_local_to_a_thread_ends_with_it() -> None:
    def main() -> None:
        local = machine.local()
        local.value = 1

        def work() -> None:
            assert not hasattr(local, "value")
            local.value = 2

        thread = machine.thread(target=work)
        thread.start()
        thread.join()
        assert local.value == 1

    run(main)


def test_bytes_arrive_in_order_and_whole() -> None:
    sent = bytes(range(256)) * 4096  # more than a connection has room for
    got = bytearray()

    def serve() -> None:
        listener = machine.listen((DRIVER, 7), backlog=1)
        connection, address = listener.accept()
        assert address[0] == OTHER
        while data := connection.recv(50_000):
            got.extend(data)
            machine.sleep(0.001)

    def call() -> None:
        machine.sleep(0.1)
        with machine.connect((DRIVER, 7), 1.0) as sock:
            sock.sendall(sent)

    for seed in range(5):
        got.clear()
        run(serve, call, seed=seed)
        assert got == sent


def test_nobody_listens_and_nobody_answers() -> None:
    def call() -> None:
        with pytest.raises(ConnectionRefusedError):
            machine.connect((DRIVER, 7), 1.0)
        sock = machine.socket()
        sock.setblocking(False)
        assert sock.connect_ex((OTHER, 7)) == errno.EINPROGRESS
        selector = machine.selector()
        selector.register(sock, selectors.EVENT_READ)
        assert selector.select(1.0)
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)

    run(call)


def test_a_cut_holds_bytes_up_and_a_long_one_ends_the_connection() -> None:
    def serve() -> None:
        listener = machine.listen((DRIVER, 7), backlog=1)
        connection, _ = listener.accept()
        network = simulated[0].network
        network.cut(OTHER, DRIVER)
        machine.sleep(5.0)
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        network.mend(OTHER, DRIVER)
        assert connection.recv(1) == b"x"
        network.cut(OTHER, DRIVER)
        machine.sleep(60.0)

    def call() -> None:
        machine.sleep(0.1)
        sock = machine.connect((DRIVER, 7), 1.0)
        import socket

        tcp = socket.IPPROTO_TCP
        sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, 25_000)
        machine.sleep(1.0)
        sock.sendall(b"x")
        sock.settimeout(None)
        with pytest.raises(TimeoutError) as raised:
            sock.recv(1)
        assert raised.value.errno == errno.ETIMEDOUT

    simulated: list[Machine] = []
    world = World(0, 1000.0)
    simulated.append(Machine(world))
    with prepared(), installed(simulated[0]):
        processes = simulated[0].processes
        processes.make("server", serve, DRIVER)
        processes.make("client", call, OTHER)
        world.run(lambda: not processes.running)
    codes = [e["code"] for e in world.trace if e["what"] == "end"]
    assert codes == [0, 0], world.trace


def test_the_end_of_a_process_closes_its_files_and_its_children() -> None:
    found: list[int] = []

    def main() -> None:
        def child() -> None:
            machine.fork(lambda: machine.sleep(1000.0))
            machine.sleep(1000.0)

        born = machine.fork(child)
        machine.sleep(1.0)
        grandchild = next(machine.children(born.pid))
        gone = machine.watch(grandchild)
        machine.kill(born.pid, signal.SIGKILL)
        found.append(machine.exit_code(born.pid))
        with machine.selector() as selector:
            selector.register(gone, selectors.EVENT_READ)
            assert selector.select(1.0)

    assert run(main).world.now < 2.0
    assert found == [-signal.SIGKILL]


def test_a_dead_process_does_nothing_more() -> None:
    done: list[str] = []

    def main() -> None:
        def child() -> None:
            try:
                machine.sleep(10.0)
            finally:
                done.append("unwound")
                machine.sleep(1.0)
                done.append("alive")

        born = machine.fork(child)
        machine.sleep(1.0)
        machine.kill(born.pid, signal.SIGKILL)
        machine.sleep(5.0)

    run(main)
    assert done == ["unwound"]


def test_what_a_dead_process_still_raises_is_no_crash() -> None:
    raised: list[str] = []

    def main() -> None:
        def child() -> None:
            try:
                machine.sleep(10.0)
            except BaseException as error:
                raised.append(type(error).__name__)
                raise ValueError("it caught its own end") from error

        born = machine.fork(child)
        machine.sleep(1.0)
        machine.kill(born.pid, signal.SIGKILL)
        machine.sleep(5.0)

    run(main)
    assert raised == ["Killed"]


def test_a_signal_interrupts_the_main_thread_where_it_waits() -> None:
    class WakeUpError(Exception):
        pass

    def wake(*event: object) -> None:
        raise WakeUpError

    def main() -> None:
        machine.on_signal(signal.SIGUSR1, wake)
        process = machine.pid()

        def knock() -> None:
            machine.sleep(1.0)
            machine.kill(process, signal.SIGUSR1)

        machine.thread(target=knock).start()
        with pytest.raises(WakeUpError):
            machine.sleep(100.0)
        assert machine.monotonic() < 2.0

    run(main)


def hangs(simulated: Machine) -> None:
    machine.lock().acquire()
    machine.queue().get()


def test_who_waits_for_ever_is_found() -> None:
    with prepared():
        outcome = play(Program("hangs", hangs), 0)
    assert outcome.verdict == "finding"
    assert "everybody waits" in outcome.why
    assert "driver 1" in outcome.why


def leaves(simulated: Machine) -> None:
    process: Process = simulated.processes.make(
        "left", lambda: machine.sleep(1e9), DRIVER
    )
    assert not process.ended


def never_waits(simulated: Machine) -> None:
    while True:
        machine.monotonic()


@pytest.mark.parametrize(
    ("main", "why"),
    [(leaves, "left 1"), (never_waits, "never waits")],
)
def test_what_is_left_and_what_never_waits_is_found(
    main: Callable[[Machine], None], why: str
) -> None:
    with prepared():
        outcome: Outcome = play(Program("bad", main), 0)
    assert outcome.verdict == "finding"
    assert why in outcome.why


def test_after_a_run_the_system_is_asked_again() -> None:
    before = machine.monotonic
    run(lambda: None)
    assert machine.monotonic is before
    assert Hang.__name__  # it is no error of a program
