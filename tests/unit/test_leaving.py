"""Who hears Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys


def test_the_first_process_of_a_command_is_born_deaf() -> None:
    """In an interpreter of its own: the first starts more than itself."""
    assert (
        printed(
            "import multiprocessing, signal\n"
            "from minimr.system.leaving import deaf\n"
            "with deaf():\n"
            "    process = multiprocessing.get_context('spawn').Process()\n"
            "    process.start()\n"
            "    print(signal.SIGINT in signal.pthread_sigmask(0, []))\n"
            "process.join()\n"
        )
        == "True\n"
    )


def test_a_process_of_a_command_hears_no_ctrl_c_and_its_children_may() -> None:
    assert (
        printed(
            "import os, signal\n"
            "from minimr.system.leaving import ignore_ctrl_c\n"
            "if os.fork():\n"
            "    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
            "os.kill(os.getpid(), signal.SIGINT)\n"
            "ignore_ctrl_c()\n"
            "assert os.getsid(0) == os.getpid(), 'a terminal can reach it'\n"
            "print(signal.getsignal(signal.SIGINT).__name__)\n"
            "print(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        )
        == "default_int_handler\nset()\n"
    )


def test_after_ctrl_c_other_threads_say_nothing() -> None:
    """As one that prints what it lost with a child that is being killed."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, subprocess, sys, threading\n"
            "from minimr.system import leaving\n"
            "leaving.leave_at_ctrl_c('command')\n"
            "child = subprocess.Popen(['sleep', '60'])\n"
            "def mourn():\n"
            "    child.wait()\n"
            "    print('it died'), print('it died', file=sys.stderr)\n"
            "    sys.stdout.flush()\n"
            "thread = threading.Thread(target=mourn)\n"
            "thread.start()\n"
            "end_all = leaving._end_all\n"
            "leaving._end_all = lambda: (end_all(), thread.join())\n"
            "os.kill(os.getpid(), signal.SIGINT)\n",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "command: interrupted\n"


def printed(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
