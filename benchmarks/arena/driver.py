"""The arena's side of one runtime: starts its driver, and asks it.

    arena ── lines of JSON ──> keeper ─> child.py ─> the runtime's processes
                                  └── ends whatever is left of them

Rule: the keeper adopts what a runtime leaves, a daemon too, so that the next
contestant has the machine for itself.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import psutil

from benchmarks.common.timing import ContenderError
from minimr.system.keeper import WITH_PARENT

ROOT = Path(__file__).parents[2]
GRACE_S = 15.0  # to stop a runtime
LOG_LINES = 12  # of what it printed, for the details of a failure


class Driver:
    """A driver process. Its methods block for bounded time.

    Raises:
        ContenderError: the runtime raised, ended, or did not answer.
    """

    def __init__(self, python: str) -> None:
        self.begun = time.perf_counter()
        self._gone = False
        self._folder = tempfile.TemporaryDirectory(prefix="minimr-arena-")
        self._log = Path(self._folder.name, "log")
        keeper = [python, "-m", "minimr.system.keeper", WITH_PARENT]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*keeper, "benchmarks.arena.child"],
                cwd=self._folder.name,
                env=os.environ
                | {
                    "PYTHONPATH": str(ROOT),
                    # as if the environment were active: some start scripts
                    "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
                    "RAY_USAGE_STATS_ENABLED": "0",
                    "MINIMR_HOME": str(Path(self._folder.name, "home")),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )

    def ask(self, timeout_s: float, name: str, *rest: Any) -> Any:
        """Have the child do something."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([name, *rest]).encode() + b"\n")
        except BrokenPipeError:
            self._fail("its process has ended")
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            process.terminate()
            self._fail(f"no answer within {timeout_s:.0f} s")
        line = process.stdout.readline()
        if not line:
            self._fail("its process has ended")
        answer = json.loads(line)
        if "failed" in answer:
            raise ContenderError(answer["failed"], answer["details"])
        return answer["answer"]

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None and not self._gone

    def memory_bytes(self) -> int:
        """Return the memory of driver and workers, shared pages divided."""
        found = 0
        keeper = psutil.Process(self._process.pid)
        for process in keeper.children(recursive=True):
            try:
                found += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return found

    def close(self) -> None:
        """Stop the runtime, and end what is left of it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        if not self._gone:
            with suppress(ContenderError):
                self.ask(GRACE_S, "stop")
        process.stdin.close()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(GRACE_S)
        process.stdout.close()
        self._folder.cleanup()

    def _fail(self, reason: str) -> NoReturn:
        self._gone = True
        lines = self._log.read_text(errors="replace").splitlines()
        raise ContenderError(reason, "\n".join(lines[-LOG_LINES:]))
