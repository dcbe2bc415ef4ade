"""Runs a program, and ends whatever it leaves behind.

    starter ── Popen ──> keeper ── fork ──> program ──> its children
                           ▲                              and theirs
                           └──── adopted and killed when the program has ended

    python -m minimr.system.keeper [--with-parent] MODULE ARGUMENT...

Rules:

1. A process whose parent ends is adopted by the nearest ancestor that has
   asked for it (`PR_SET_CHILD_SUBREAPER`), not by process 1. That holds for
   a daemon, too, which has forked twice and leads a session of its own.
2. The program's process id is its own until all that it left is gone.
3. SIGTERM to the keeper kills the program at once, even one that is stopped
   or holds its interpreter's lock. With `--with-parent`, so does the end of
   the process that started the keeper.
4. The keeper imports nothing large and runs no user code. If the keeper is
   killed, its program has to end by itself: the variable `KEEPER` holds the
   process id to watch.

Ray: the raylet can do this (`RAY_kill_child_processes_on_worker_exit`).
"""

from __future__ import annotations

import contextlib
import os
import runpy
import select
import signal
import sys
from collections.abc import Container

from minimr.system import machine

KEEPER = "MINIMR_KEEPER"  # process id
WITH_PARENT = "--with-parent"


def end_children(spare: Container[int] = ()) -> list[int]:
    """Kill the children of this process and their descendants.

    Blocks: no. Returns: the children. They are still to be reaped, and
    orphans of theirs may become our children.
    """
    below = machine.children(machine.pid())
    ours = [pid for pid in below if pid not in spare]
    for pid in ours:
        kill_tree(pid)
    return ours


def end_all_children(spare: Container[int] = ()) -> None:
    """Kill all children, and the orphans that become ours by that.

    Blocks: until none is left.
    """
    while ours := end_children(spare):
        for pid in ours:
            machine.exit_code(pid)


def kill_tree(pid: int) -> None:
    """Kill a process and all below it."""
    below = list(machine.children(pid))
    with contextlib.suppress(OSError):  # it has ended, or is not ours to end
        machine.kill(pid, signal.SIGKILL)
    for child in below:
        kill_tree(child)


def keep(module: str, parent: int | None = None) -> int:
    """Run a module in a process of its own, and return its exit code.

    Blocks: until it has ended, and whatever it left is gone.
    """
    machine.adopt_orphans()
    me = os.getpid()
    ends = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # until we know what to end
    program = os.fork()
    if program == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
        os.setsid()  # a signal to its group spares the keeper
        os.environ[KEEPER] = str(me)
        del sys.argv[0]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        os._exit(0)

    def end(*_: object) -> None:
        os.kill(program, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
    nothing = os.open(os.devnull, os.O_RDWR)
    for output in range(3):  # their readers wait for the program alone
        os.dup2(nothing, output)
    if parent is not None and _outlives(parent, program):
        end()
    os.waitid(os.P_PID, program, os.WEXITED | os.WNOWAIT)
    # The exit code is known now: a late signal must not change ours.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    end_all_children({program})
    _, status = os.waitpid(program, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _outlives(parent: int, program: int) -> bool:
    """Wait until one ends; return whether it was the parent."""
    if os.getppid() != parent:
        return True  # it was gone before we looked
    gone, ended = os.pidfd_open(parent), os.pidfd_open(program)
    readable, _, _ = select.select([gone, ended], [], [])
    return ended not in readable


if __name__ == "__main__":
    starter = None
    if sys.argv[1] == WITH_PARENT:
        starter = os.getppid()
        del sys.argv[1]
    code = keep(sys.argv[1], starter)
    machine.leave(code)  # at once: the starter waits for that
