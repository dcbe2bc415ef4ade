"""Who hears Ctrl-C."""

from __future__ import annotations

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


def printed(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
