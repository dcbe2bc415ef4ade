"""Ctrl-C in a command: one line and exit code 130, at any moment.

    leave_at_ctrl_c("minimr")   the first thing that a command does
        └─> Ctrl-C ─> its children are killed, one line, _exit(130)
    with raising():             a part that has something to save
        └─> Ctrl-C ─> KeyboardInterrupt; a second one ─> as above

Rules:

1. An exception is raised only inside of `raising`: in an import, in a
   callback or at the interpreter's exit nobody could catch it.
2. It works from before the first slow import to the interpreter's very last
   step. Before that, for some hundredths of a second, Python itself starts.
3. The line is the last: what other threads say of children that are being
   killed, or processes that they start meanwhile, is written nowhere.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

EXIT_CODE = 130  # 128 + SIGINT, as shells have it

_name = ""
_pid = 0  # of the command
_before: list[Callable[[], None]] = []  # called first
_end_all: Callable[[], object] = list  # nothing was started yet


def leave_at_ctrl_c(name: str) -> None:
    """Make Ctrl-C end this process. Runs in: the main thread of a command.

    Where it is ignored, as in the background of a script, it stays ignored.
    """
    global _name, _pid, _end_all
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    _name, _pid = name, os.getpid()
    signal.signal(signal.SIGINT, _leave)
    # Registered first, it runs last: the result is out, a success stays one.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    from minimr.system import machine
    from minimr.system.keeper import kill_tree

    def end_all() -> None:
        for pid in machine.children(os.getpid()):
            kill_tree(pid)

    _end_all = end_all


@contextmanager
def calling(function: Callable[[], None]) -> Iterator[None]:
    """Call a function before a Ctrl-C in here ends the process."""
    _before.append(function)
    try:
        yield
    finally:
        _before.remove(function)


@contextmanager
def raising() -> Iterator[None]:
    """Make the first Ctrl-C in here raise KeyboardInterrupt."""
    if not _name:  # no command, or it is ignored
        yield
        return
    signal.signal(signal.SIGINT, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _leave)


@contextmanager
def deaf() -> Iterator[None]:
    """Start processes in here that get no Ctrl-C before `ignore_ctrl_c`.

    A terminal sends it to the whole group, and they would be in an import.
    """
    from multiprocessing import resource_tracker

    # Begun below, at a first process, the tracker would unblock the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_ctrl_c() -> None:
    """Leave Ctrl-C to the command. Runs in: a process that it started.

    Its own children have SIGINT as ever: Ray cancels tasks with it.
    """
    os.setsid()  # no terminal sends it here any more
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what has come
    signal.signal(signal.SIGINT, before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _raise(signum: int, frame: object) -> None:
    from minimr.system.interrupt import may_interrupt

    if may_interrupt(signum, frame):  # type: ignore[arg-type]
        signal.signal(signal.SIGINT, _leave)
        raise KeyboardInterrupt


def _leave(signum: int, frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getpid() != _pid:  # a fork: the command gets it as well
        os._exit(EXIT_CODE)
    for function in _before:
        with suppress(Exception):  # it may be in the middle of anything
            function()
    stderr = 2
    with suppress(OSError):  # no descriptor is left: as well as it can be
        nowhere, stderr = os.open(os.devnull, os.O_WRONLY), os.dup(2)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    _end_all()
    with suppress(OSError):
        os.write(stderr, f"{_name}: interrupted\n".encode())
    os._exit(EXIT_CODE)
