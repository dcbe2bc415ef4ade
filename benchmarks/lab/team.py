"""An engine on the nodes of a lab: its driver in n1, its workers in all.

sockets   the driver listens; `minimr worker` in n2, n3, ...
minimr    the driver joins the cluster of `minimr start`
ray       the driver joins the cluster of `ray start`
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.lab import engines
from benchmarks.lab.lab import Lab, temporary
from benchmarks.lab.plan import LabError, Node, Plan
from minimr.system.leaving import raising

CLUSTERS: dict[str, tuple[str, ...]] = {  # what the lab has to start
    "sockets": (),
    "minimr": ("minimr",),
    "ray": ("ray",),
}
START_TIMEOUT_S = 120.0
GRACE_S = 5.0
SILENCE_S = 10.0
LOG_CHARACTERS = 2000
GLANCES = 6  # tasks per node in a job that shows which nodes work


class Team:
    """Runs jobs on all nodes of a lab.

    Raises:
        LabError: any method, when something does not start or answer.
    """

    def __init__(
        self, lab: Lab, engine: str, silence_s: float = SILENCE_S
    ) -> None:
        self.lab = lab
        self.engine = engine
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._buffer = b""
        name = "join" if engine == "sockets" else CLUSTERS[engine][0]
        self._where = engines.address(lab.plan, name)
        command = [sys.executable, "-m", "benchmarks.lab.driver"]
        command += [engine, self._where, str(silence_s)]
        self.log = Path(lab.home) / f"{engine}.log"
        with self.log.open("wb") as log:
            self._driver = subprocess.Popen(
                lab.command("n1", command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )
        self.startup_seconds: float = self.receive(START_TIMEOUT_S)
        self.join()

    def join(self) -> None:
        """Start a worker in every node that has none."""
        if self.engine != "sockets":
            return
        for node in self.lab.plan.all()[1:]:
            worker = self._workers.get(node.name)
            if worker is None or worker.poll() is not None:
                self._workers[node.name] = self._start_worker(node)

    def await_nodes(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Run small jobs until every node has taken part in one.

        Wait, too, until the cluster has noticed which nodes are dead: it
        would send tasks there.
        """
        until = time.monotonic() + timeout_s
        while why := self._is_not_ready():
            if time.monotonic() > until:
                raise LabError(
                    f"{self.engine}: {why} after {timeout_s:.0f} s\n"
                    f"{self._end_of_log()}"
                )

    def _is_not_ready(self) -> str:
        wanted = {node.name for node in self.lab.plan.all()}
        tasks = GLANCES * len(wanted)
        seen = self.ask("benchmarks.lab.driver:who_works", tasks=tasks)
        if missing := wanted - set(seen):
            return f"{sorted(missing)} do not work"
        if self.engine != "sockets":  # that has workers, not nodes
            alive = self.ask("benchmarks.lab.driver:count_nodes")
            if alive != len(wanted):
                return f"{alive} nodes seem to be alive, not {len(wanted)},"
        return ""

    def ask(self, call: str, timeout_s: float = 600.0, **args: Any) -> Any:
        """Call `module:function` in the driver, with its engine."""
        self.send(call, **args)
        return self.receive(timeout_s)

    def send(self, call: str, **args: Any) -> None:
        """Start a call."""
        line = json.dumps({"call": call, "args": args}) + "\n"
        assert self._driver.stdin is not None
        try:
            self._driver.stdin.write(line.encode())
            self._driver.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def answered(self, timeout_s: float) -> bool:
        """Return whether the answer is here. Blocks: at most `timeout_s`."""
        assert self._driver.stdout is not None
        until = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            rest = max(0.0, until - time.monotonic())
            if not select.select([self._driver.stdout], [], [], rest)[0]:
                return False
            read = os.read(self._driver.stdout.fileno(), 2**16)
            if not read:
                raise self._ended()
            self._buffer += read
        return True

    def receive(self, timeout_s: float) -> Any:
        """Return the answer of the call that was started."""
        if not self.answered(timeout_s):
            raise LabError(
                f"no answer of {self.engine} after {timeout_s:.0f} s"
            )
        line, _, self._buffer = self._buffer.partition(b"\n")
        message = json.loads(line)
        if "error" in message:
            raise LabError(f"{self.engine} has failed:\n{message['error']}")
        return message["answer"]

    def close(self) -> None:
        """End the driver and the workers."""
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        with suppress(BrokenPipeError):
            self._driver.stdin.close()
        for process in (self._driver, *self._workers.values()):
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._driver.stdout.close()

    def _start_worker(self, node: Node) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "minimr", "worker"]
        command += ["--address", self._where, "--wait", "30"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.lab.command(node.name, command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _ended(self) -> LabError:
        end = self._end_of_log()
        return LabError(f"the driver of {self.engine} has ended:\n{end}")

    def _end_of_log(self) -> str:
        """Return it for an error: the log goes with a temporary lab."""
        return self.log.read_text(errors="replace")[-LOG_CHARACTERS:]


@contextmanager
def team_of(plan: Plan, engine: str) -> Iterator[Team]:
    """Make a lab with a team that is complete; remove both at the end.

    Raises:
        LabError: something does not start.
    """
    plan = replace(plan, engines=CLUSTERS[engine])
    with temporary(plan) as lab, raising():
        team = Team(lab, engine)
        try:
            team.await_nodes()
            yield team
        finally:
            team.close()
