"""A grading: a process that is watched, and what it has found.

    grade ── starts ──> keeper ──> child: the checks, and the student's code
      │                              └─> the engine: tasks and actors
      └─ watches all of them: processor time, memory, their number, what is
         printed, and at last the clock

Rules:

1. Whatever the student's code does, there is a verdict.
2. Nothing that a grading has started is left, also if it is killed itself:
   the keeper sees to it.
3. An engine that does not start is no verdict, but an error.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lecture.check.findings import Finding

LOOK_EVERY_S = 0.25
CHUNK = 1 << 16
TAIL = 2000  # characters of what it has printed that a verdict may show
KEEPER = ("-m", "minimr.system.keeper", "--with-parent")


class GradingError(RuntimeError):
    """Nothing could be judged, by no fault of the student."""


@dataclass(frozen=True)
class Limits:
    """What a grading may use, the engine included.

    Attributes:
        cpu_seconds: of all its processes; what loops for ever uses them up.
        seconds: by the clock, for what waits for ever.
        memory_bytes: of all its processes.
        printed_bytes: what it may print.
        processes: how many it may have.
    """

    cpu_seconds: float = 120.0
    seconds: float = 600.0
    memory_bytes: int = 4 << 30
    printed_bytes: int = 10_000_000
    processes: int = 200


def grade(
    part: str,
    path: Path,
    engine: str = "minimr",
    address: str = "",
    limits: Limits | None = None,
) -> list[Finding]:
    """Run all checks of a part. Blocks: until they are done, or a limit.

    Args:
        part: part2 or part3.
        path: of a notebook, or a file of Python.
        engine: minimr or ray.
        address: of a running cluster to use; empty: one of its own.
        limits: what it may use.

    Raises:
        GradingError: the engine has not started.
    """
    with tempfile.TemporaryDirectory(prefix="minimr-check-") as folder:
        out = Path(folder) / "found"
        out.touch()
        child = subprocess.Popen(
            [sys.executable, *KEEPER, "lecture.check.child", part,
             path.absolute(), engine, address, out],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path),
                 "PYTHONHASHSEED": "0", "RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        watch = _Watch(child, limits or Limits())
        verdict = watch.run()
        lines = [json.loads(line) for line in out.read_text().splitlines()]
    return list(_findings(lines, verdict, watch.tail))


def _findings(
    lines: list[dict[str, str]], verdict: str, tail: str
) -> Iterator[Finding]:
    """Yield what was found; the check that was cut off has the verdict."""
    begun = "the checks begin"
    for line in lines:
        if "begins" in line:
            begun = line["begins"]
        elif "no engine" in line:
            raise GradingError(line["no engine"])
        elif "check" in line:
            yield Finding(line["check"], line["wrong"])
    if lines and "done" in lines[-1]:
        return
    ended = f"its process has ended; it said last: {tail.strip()}"
    yield Finding(begun, verdict or ended)


class _Watch:
    """Follows a process and all below it, until it ends or is ended."""

    def __init__(self, child: subprocess.Popen[bytes], limits: Limits) -> None:
        self._child, self._limits = child, limits
        self._process = psutil.Process(child.pid)
        self._used: dict[int, float] = {}  # seconds, of the dead as well
        self._printed = 0
        self.tail = ""

    def run(self) -> str:
        """Return the limit that was passed, in words, if any."""
        try:
            return self._watch()
        finally:
            self._end()

    def _watch(self) -> str:
        assert self._child.stdout is not None
        stream = self._child.stdout.fileno()
        until = time.monotonic() + self._limits.seconds
        look_at = 0.0
        while True:
            ready, _, _ = select.select([stream], [], [], LOOK_EVERY_S)
            if ready:
                read = os.read(stream, CHUNK)
                self._printed += len(read)
                text = self.tail + read.decode("utf-8", "replace")
                self.tail = text[-TAIL:]
                if not read:  # nobody is left who could print
                    return ""
            if time.monotonic() >= look_at:
                if verdict := self._passed(until):
                    return verdict
                look_at = time.monotonic() + LOOK_EVERY_S

    def _passed(self, until: float) -> str:
        limits = self._limits
        number, memory = self._look()
        if self._printed > limits.printed_bytes:
            return (
                f"it prints without end: more than "
                f"{limits.printed_bytes / 1e6:,.0f} MB"
            )
        if memory > limits.memory_bytes:
            return (
                "it takes too much memory: more than "
                f"{limits.memory_bytes / 1e9:,.1f} GB"
            )
        if number > limits.processes:
            return (
                f"it starts too many processes: more than {limits.processes}"
            )
        if sum(self._used.values()) > limits.cpu_seconds:
            return (
                "it does not end: it has computed for "
                f"{limits.cpu_seconds:,.0f} s"
            )
        if time.monotonic() > until:
            return f"it does not end: it waits, since {limits.seconds:,.0f} s"
        return ""

    def _look(self) -> tuple[int, int]:
        """Note what all have used; return their number, and memory."""
        below: list[psutil.Process] = []
        memory = 0
        with suppress(psutil.NoSuchProcess):
            below = self._process.children(recursive=True)
        for process in below:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._used[process.pid] = times.user + times.system
                used = process.memory_info()
                memory += used.rss - getattr(used, "shared", 0)
        return len(below), memory

    def _end(self) -> None:
        """End all that are left. Blocks: until they are gone."""
        self._child.terminate()  # the keeper, which ends them
        self._child.wait()
        # Last: who prints would find the pipe broken, and say that instead.
        assert self._child.stdout is not None
        self._child.stdout.close()
