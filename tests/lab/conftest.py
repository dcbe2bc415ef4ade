"""Labs of the tests' own; what one leaves behind fails the test."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab.cli import make_plan
from benchmarks.lab.lab import Lab
from benchmarks.lab.namespaces import why_not
from benchmarks.lab.processes import MARK

PATIENCE_S = 5.0
NAME = f"mt{os.getpid() % 100_000}"  # no other lab of this machine has it
NEEDS_ROOT = pytest.mark.skipif(why_not() != "", reason=why_not())

# Ray's own patience with a silent node is minutes: it shall be ours.
QUICK_RAY = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_initial_delay_ms": "1000",
}


@contextmanager
def five_nodes(home: str, **plan: Any) -> Iterator[Lab]:
    """Have a lab of five nodes, with a cluster of each engine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK_RAY.items():
            patch.setenv(name, value)
        patch.setenv("MINIMR_LAB", str(Path(home).parent))
        made = make_plan(NAME, engine="both", nodes=5, **plan)
        assert made.home == home
        lab = Lab(home)
        try:
            assert lab.up(made)
            yield lab
        finally:
            lab.down()
            assert remains(home) == []


def remains(home: str) -> list[str]:
    """List what is there of labs of ours."""
    folders = [Path("/run/netns"), Path("/sys/class/net")]
    folders += [p for p in Path("/sys/fs/cgroup").glob("*") if p.is_dir()]
    found = [str(p) for f in folders for p in f.glob(f"{NAME}*")]
    wanted = f"{MARK}={home}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environ.read_bytes():
                found.append(f"process {environ.parent.name}")
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    """Give a folder for a lab, and look for what is left of it at the end.

    Not pytest's own: Ray keeps sockets in it, whose paths must be short.
    """
    folder = tempfile.mkdtemp(prefix="mt", dir="/tmp")
    home = str(Path(folder) / NAME)
    yield home
    until = time.monotonic() + PATIENCE_S
    while (left := remains(home)) and time.monotonic() < until:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []
