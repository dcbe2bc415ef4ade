"""A process per contender.

    benchmark            │ driver of a contender     │ its workers
    Driver() ── spawn ───┼─> start()  ───────────────┼─> ...
             <─ seconds ─┼──                         │
    measure() ── ASK ────┼─> measure() ──────────────┼─> ...
             <─ Sample ──┼──                         │
    close() ── EOF ──────┼─> close()  ───────────────┼─> ...

Contenders share no interpreter: a crash ends one of them only, threads and
garbage slow no other down, and each has its own peak of memory.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from benchmarks.common.timing import ContenderError, Sample
from minimr.system.leaving import deaf, ignore_ctrl_c

ANSWER_TIMEOUT_S = 900.0
GRACE_S = 10.0  # to close what was started
ASK = "measure"


class Contender(ABC):
    """Something to measure. It is sent to its process before it starts."""

    name: str

    def start(self) -> None:  # noqa: B027  many have nothing to start
        """Start what stays warm over all measurements."""

    @abstractmethod
    def measure(self) -> Sample:
        """Measure once. May raise anything."""

    def close(self) -> None:  # noqa: B027
        """Stop what was started."""


class Failure(NamedTuple):
    """driver -> benchmark: what the contender raised."""

    reason: str
    details: str


class Driver:
    """The benchmark's side: starts the process and asks it.

    Raises:
        ContenderError: the contender raised, its process ended, or it did
            not answer in time. So do the methods.
    """

    def __init__(
        self, contender: Contender, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.timeout_s = timeout_s
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_drive, args=(theirs, contender), name=contender.name
        )
        with deaf():
            self._process.start()
        theirs.close()
        try:
            self.startup_seconds: float = self._answer()
        except BaseException:
            self.close()
            raise

    def measure(self) -> Sample:
        """Measure once. Blocks: until it is done."""
        with suppress(OSError):  # it may have ended; the answer says how
            self._connection.send(ASK)
        sample = self._answer()
        assert isinstance(sample, Sample)
        return sample

    def close(self) -> None:
        """End the process. Blocks: until it is gone, for bounded time."""
        self._connection.close()
        for insist in (self._process.terminate, self._process.kill):
            self._process.join(GRACE_S)
            if not self._process.is_alive():
                break
            insist()
        self._process.join()
        self._process.close()

    def _answer(self) -> Any:
        sources: list[Any] = [self._connection, self._process.sentinel]
        if not connection.wait(sources, self.timeout_s):
            self._process.terminate()
            raise ContenderError(f"no answer within {self.timeout_s:.0f} s")
        try:
            answer = (
                self._connection.recv() if self._connection.poll() else None
            )
        except (EOFError, OSError):
            answer = None
        if answer is None:
            self._process.join(GRACE_S)
            code = self._process.exitcode
            raise ContenderError(f"its process ended with exit code {code}")
        if isinstance(answer, Failure):
            raise ContenderError(*answer)
        return answer


def _drive(benchmark: Connection, contender: Contender) -> None:
    """Run the contender, as long as the benchmark asks. Runs in: driver."""
    ignore_ctrl_c()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        start = time.perf_counter()
        contender.start()
        try:
            benchmark.send(time.perf_counter() - start)
            while _is_asked(benchmark):
                benchmark.send(contender.measure())
        finally:
            contender.close()
    except Exception as error:  # noqa: BLE001  forwarded
        reason = traceback.format_exception_only(error)[0].splitlines()[0]
        benchmark.send(Failure(reason, traceback.format_exc()))


def _is_asked(benchmark: Connection) -> bool:
    try:
        return bool(benchmark.recv() == ASK)
    except (EOFError, OSError):
        return False
