"""Run one of the programs that print, and hear what it says."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).with_name("printing_programs.py")


def run(module, *program, until=(), **environment):
    """Return what a program says until these words, and when it ends."""
    pytest.importorskip(module)
    root = {"PYTHONPATH": str(PROGRAMS.parents[2]), "RAY_ADDRESS": "local"}
    inherited = os.environ.copy()
    inherited.pop("RAY_IGNORE_UNHANDLED_ERRORS", None)  # our own runs set it
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS), module, *program],
        text=True,
        env=inherited | root | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    said, missing = "", list(until)
    while missing and (line := process.stdout.readline()):
        said += line
        for words in {words for words in missing if words in line}:
            missing.remove(words)  # once: what is asked twice is said twice
    said += process.communicate()[0]
    watchdog.cancel()
    return said
