"""One engine, one stage, one job: what every test of faults needs.

Play(script) ─> engine.run(table) ── knock ──> script: kill, stop, hold
                      │
                the table's only right result, or the test fails
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from minimr.interface.mapreduce import Progress, Result
from minimr.net.channel import Address, connect
from minimr.net.token import load_token
from minimr.shared.mapreduce.tasks import TaskReport
from minimr.sockets.cluster.membership import Members, Timing
from minimr.sockets.cluster.messages import Attempt, Done, Register, Welcome
from minimr.sockets.cluster.tracker import Policy
from minimr.sockets.mapreduce import MapReduce
from tests.stage import DEADLINE_S, Knock, Script, Stage, let_go
from tests.table import Table

# On a busy machine nobody is to be given up who does as it should.
TIMING = Timing(heartbeat_interval_s=0.1, silence_timeout_s=60.0)
POLICY = Policy(backup_after_s=0.3, backup_blind_s=0.3, task_timeout_s=60.0)
# Nothing but a death or a silence sets a task free.
PATIENT = Policy(backup_after_s=60.0, backup_blind_s=60.0, task_timeout_s=60.0)
# For tests in which a worker stops, or hangs in a task.
SILENCE_S = 2.0
SOON_SILENT = Timing(heartbeat_interval_s=0.1, silence_timeout_s=SILENCE_S)
SOON_LATE = Policy(backup_after_s=0.3, backup_blind_s=0.3, task_timeout_s=3.0)
SOON: dict[str, Any] = {"policy": SOON_LATE, "timing": SOON_SILENT}


@dataclass
class Play:
    """A table that is computed while the script disturbs."""

    script: Script = let_go
    workers: int = 2
    maps: int = 6
    reduces: int = 3
    payload_bytes: int = 0
    restart: bool = True
    policy: Policy = POLICY
    timing: Timing = TIMING
    table_type: type[Table] = Table
    joined: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = Stage(self.script)
        try:
            self.engine = MapReduce(
                self.workers,
                policy=self.policy,
                timing=self.timing,
                restart_workers=self.restart,
            )
        except BaseException:
            self.stage.close()
            raise
        self.table = self.table_type(
            self.stage.address, self.maps, self.reduces, self.payload_bytes
        )

    def submit(self, progress: Progress | None = None) -> Result:
        """Run the job; whoever asks the result looks what is in it."""
        return self.engine.run(
            self.table.job(), range(self.maps), self.reduces, progress
        )

    def run(self, progress: Progress | None = None) -> Result:
        """Run the job and check that every output counted once."""
        result = self.submit(progress)
        assert result.merged() == self.table.expected()
        assert result.stats.counters["map attempts"] == self.maps
        assert result.stats.counters["reduce attempts"] == self.reduces
        return result

    def run_again(self, workers: int | None = None) -> None:
        """Check that each worker takes a task when nobody disturbs."""
        number = self.workers if workers is None else workers
        waiting: list[Knock] = []

        def wait_for_all(knock: Knock) -> str | None:
            waiting.append(knock)
            if len({each.pid for each in waiting}) < number:
                return None
            for each in waiting:
                each.answer()
            return "go"

        self.stage.script = wait_for_all
        self.maps = max(self.maps, number)
        self.table = dataclasses.replace(self.table, maps=self.maps)
        self.run().close()

    def pids(self) -> list[int]:
        """List the local workers that live now."""
        keepers = [
            child
            for child in psutil.Process().children()
            if "minimr.system.keeper" in child.cmdline()
        ]
        return [
            child.pid
            for keeper in keepers
            for child in keeper.children()
            if "minimr.sockets.cluster.worker" in child.cmdline()
        ]

    def ran(self, task: str) -> list[int]:
        """List the workers that began a task, in order."""
        return [each.pid for each in self.stage.knocks if each.name == task]

    def join(self, **environment: str) -> subprocess.Popen[str]:
        """Start a worker that dials in like one of another machine."""
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "minimr.sockets.cluster.worker"),
                "{}:{}".format(*self.engine.address),
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.joined.append(process)
        return process

    def close(self) -> None:
        """End the engine and all that the test has started."""
        try:
            self.engine.close()
        finally:
            for process in self.joined:
                process.kill()
                process.communicate(timeout=DEADLINE_S)
            self.stage.close()


def on(name: str, do: str | Script, times: int = 1) -> Script:
    """Do something at the first knocks of one name; let all others go."""

    def script(knock: Knock) -> str | None:
        if knock.name != name or knock.times > times:
            return "go"
        return do if isinstance(do, str) else do(knock)

    return script


def kill(knock: Knock) -> str:
    """Kill the worker that knocks."""
    kill_now(knock.pid)
    return "go"


def stop(knock: Knock) -> str:
    """Stop the worker that knocks, as a paused machine would be."""
    os.kill(knock.pid, signal.SIGSTOP)
    return "go"


def kill_now(*pids: int) -> None:
    """Kill processes. Blocks: until they are dead."""
    descriptors = [os.pidfd_open(pid) for pid in pids]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for_end(descriptors)


def wait_for_end(descriptors: list[int], deadline_s: float = 5.0) -> None:
    """Wait until the processes of all pidfds are dead, and close these."""
    until = time.monotonic() + deadline_s
    try:
        for descriptor in descriptors:
            left = max(0.0, until - time.monotonic())
            assert select.select([descriptor], [], [], left)[0], "it lives"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def when(phase: str, done: int, do: Callable[[], Any]) -> Progress:
    """Do something in the driver when so many tasks of a phase are done.

    The driver is busy with it: whatever is sent to it meanwhile waits.
    """
    calls: list[int] = []

    def progress(this: str, number: int, total: int) -> None:
        if this == phase and number == done and not calls:
            calls.append(number)
            do()

    return progress


@contextlib.contextmanager
def kept_busy(members: Members) -> Iterator[None]:
    """Let a coordinator read, as it does while a job runs."""
    end = threading.Event()

    def read() -> None:
        while not end.is_set():
            members.poll(0.02)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield
    finally:
        end.set()
        reading.join(DEADLINE_S)


class FakeWorker:
    """A worker in the test's hands: it registers, and does as it is told."""

    def __init__(
        self, address: Address, pid: int | None = None, name: str = ""
    ) -> None:
        self.channel = connect(address, load_token(), ["run"])
        nobody = 9  # a port where no worker serves blocks
        self.channel.send(Register(name, pid or os.getpid(), nobody))
        self.reply: Welcome = self.channel.receive(DEADLINE_S)

    def receive(self, kind: type) -> Any:
        """Give the next message of a kind, and skip all before it."""
        while True:
            message = self.channel.receive(DEADLINE_S)
            if isinstance(message, kind):
                return message

    def done(self, attempt: Attempt) -> None:
        """Say that we have done a task."""
        self.channel.send(Done(attempt, TaskReport()))

    def is_hung_up(self) -> bool:
        """Wait until the coordinator has closed the connection."""
        try:
            while True:
                self.channel.receive(DEADLINE_S)
        except ConnectionError:
            return True

    def close(self) -> None:
        """Be gone, as if we had been killed."""
        self.channel.close()
