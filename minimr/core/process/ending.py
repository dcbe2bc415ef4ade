"""The end of a worker that is asked to end: as an interpreter ends.

    exit_actor(), sys.exit(), or the node says "stop"
        ─> the main thread leaves `Executor.run` ─> end()

Rules:

1. Threads are waited for, atexit handlers run, the actor is let go of, and
   files that nobody closed are written: what a program does in the end
   counts in a worker as well.
2. All that takes `ENDING_S` at most. Then the process is killed: by its
   node, if that has asked it to end, or by an alarm.
3. What was there before the fork is the node's, and is left as it is.

Ray: a worker returns from its main function.
"""

from __future__ import annotations

import signal
from typing import NoReturn

from minimr.core import messages as m
from minimr.core.process.executor import Executor
from minimr.system import machine


def end(executor: Executor, code: int) -> NoReturn:
    """End this process. Runs in: the main thread of a worker."""
    if executor.runtime.forked:  # by a task: all that is its parent's
        machine.leave(code)
    machine.on_signal(signal.SIGALRM, signal.SIG_DFL)
    machine.alarm(m.ENDING_S)
    for pool in executor.threads.values():  # calls that have not begun
        pool.shutdown(wait=False, cancel_futures=True)
    machine.wind_up()
    executor.actor = None
    executor.results.functions.clear()
    machine.write_files()
    machine.leave(code)
