"""What of its machine a worker shows to the libraries that it runs.

    lease: {CPU: 2, GPU: 1} ──> OMP_NUM_THREADS=2, CUDA_VISIBLE_DEVICES=4
    task: train()           ──> `minimr::train` in `ps` and `top -c`

Rules (Ray's):

1. NumPy, torch and others start as many threads as the task has CPUs,
   unless somebody has set OMP_NUM_THREADS.
2. GPUs are numbered among those that the node may see. A task without any
   sees what the node sees.
3. No system call for a task: the title is written where the kernel reads
   the command line from.
"""

from __future__ import annotations

import ctypes
import os

from minimr.core.messages import Amounts, base
from minimr.system import machine

THREADS = "OMP_NUM_THREADS"
DEVICES = "CUDA_VISIBLE_DEVICES"
IDLE = b"IDLE"


class Share:
    """The variables of a worker that depend on its lease."""

    def __init__(self) -> None:
        self._sets_threads = THREADS not in os.environ
        self._devices = os.environ.get(DEVICES)

    def take(
        self, hold: Amounts, gpus: tuple[int, ...]
    ) -> tuple[int | str, ...]:
        """Set the variables. Returns: the GPUs as their user knows them."""
        if self._sets_threads:
            cpus = [have for name, have in hold if base(name) == "CPU"]
            os.environ[THREADS] = str(int(max([1, *cpus])))
        known: tuple[int | str, ...] = gpus
        if self._devices:
            names = [name.strip() for name in self._devices.split(",")]
            known = tuple(names[i] for i in gpus if i < len(names))
        if gpus:
            os.environ[DEVICES] = ",".join(map(str, known))
        return known


MAX_TEXTS = 1000  # that are kept ready


class Title:
    """The command line of this process, as `ps` shows it."""

    def __init__(self) -> None:
        fields = machine.stat_of()
        begin, end = int(fields[45]), int(fields[46])
        self._room = end - begin  # where its arguments lie; zeros: hidden
        text = (ctypes.c_char * self._room).from_address(begin)
        self._memory = memoryview(text).cast("B")
        self._shown = b""
        # {name: the whole memory}; names of tasks are few
        self._texts: dict[bytes, bytes] = {}

    def show(self, name: bytes) -> None:
        """Say what this process does.

        The last byte tells the kernel to read up to the first zero.
        """
        if self._room and name != self._shown:
            self._shown = name
            self._memory[:] = self._texts.get(name) or self._text(name)

    def _text(self, name: bytes) -> bytes:
        if len(self._texts) >= MAX_TEXTS:
            self._texts.clear()
        text = (b"minimr::" + name)[: self._room - 2]
        whole = text.ljust(self._room - 1, b"\0") + b"."
        return self._texts.setdefault(name, whole)
