"""Who hears Ctrl-C."""

from __future__ import annotations

import subprocess
import sys


def test_the_first_process_of_a_command_is_born_deaf() -> None:
    """In an interpreter of its own: the first starts more than itself."""
    code = (
        "import multiprocessing, signal\n"
        "from minimr.system.leaving import deaf\n"
        "with deaf():\n"
        "    process = multiprocessing.get_context('spawn').Process()\n"
        "    process.start()\n"
        "    print(signal.SIGINT in signal.pthread_sigmask(0, []))\n"
        "process.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "True\n", done.stderr
