"""What holds for every test: a token of its own, and nothing left behind.

The header of the report has the lines of each package.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import settings

from minimr.net.token import VARIABLE
from ray_impl.cluster import apart

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "minimr",
    "ray_impl",
    "dqn",
    "benchmarks",
    "examples",
    "lecture",
    "tests",
)
KEEPERS = ("minimr.core.node.main", "chromedriver")
PATIENCE_S = 5.0  # for what is on its way out when a test ends

# Shared machines stall at times: the deadline is the test's, not an
# example's.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_configure() -> None:
    """Hear Ctrl-C, also when started in the background of a script.

    A shell lets its background jobs ignore it, and so would every process
    that a test starts and interrupts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Show how large each package is."""
    sizes = []
    for package in PACKAGES:
        files = list((ROOT / package).rglob("*.py"))
        lines = sum(len(file.read_bytes().splitlines()) for file in files)
        if files:
            sizes.append(f"{package} {lines:,} in {len(files)}")
    return f"lines of Python: {', '.join(sizes)} files"


@pytest.fixture(scope="session", autouse=True)
def private_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests, and all that they start, off what is the user's.

    That is the token, and the clusters that run: `init()` would join one.
    """
    path = tmp_path_factory.mktemp("token") / "token"
    with apart(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(path))
        patch.setenv("MINIMR_HOME", str(path.parent))
        for name in ("MINIMR_ADDRESS", "RAY_ADDRESS"):
            patch.delenv(name, raising=False)
        yield path


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fail a test that leaves more behind than there was before it.

    Counts, not sets: an engine that many tests share may replace a worker.
    """
    before = _belongings()
    yield
    excess = _excess(before)
    until = time.monotonic() + PATIENCE_S
    while excess and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)  # the system tells nobody when these are gone
        excess = _excess(before)
    if excess:
        left = ", ".join(f"{n} {kind}" for kind, n in sorted(excess.items()))
        pytest.fail(f"left behind: {left}; now there are:\n{_details()}")


def _excess(before: dict[str, int]) -> dict[str, int]:
    now = _belongings()
    return {
        kind: now[kind] - number
        for kind, number in before.items()
        if now.get(kind, 0) > number
    }


def _belongings() -> dict[str, int]:
    found = {
        "child process": len(_children()),
        "entry in /dev/shm": len(_shared_memory()),
    }
    if "ray" in sys.modules:  # it opens and closes what it likes
        found["listening socket"] = len(_listeners())
    else:
        found["open file or socket"] = len(_descriptors())
    return found


def _children() -> list[psutil.Process]:
    """List the processes below this one that are not Ray's."""
    if Path("/proc/self/task").exists() and not _has_children():
        return []  # the quick way, for most tests
    pending = psutil.Process().children()
    found = []
    while pending:
        process = pending.pop()
        try:
            command = process.cmdline()
            if not _is_of_the_system(command):
                found.append(process)
                # A node starts and ends workers as it likes, and a browser
                # its tabs; they end with it.
                if not any(keeper in " ".join(command) for keeper in KEEPERS):
                    pending += process.children()
        except psutil.ZombieProcess:  # it has ended, and nobody waited
            if "ray" not in sys.modules:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _has_children() -> bool:
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            if task.read_text():
                return True
    return False


def _is_of_the_system(command: list[str]) -> bool:
    """Tell what Ray and multiprocessing keep for the whole session."""
    line = " ".join(command)
    return (
        "/site-packages/ray/" in line
        or line.startswith(("ray::", "ray-"))
        or "multiprocessing.resource_tracker" in line
    )


def _shared_memory() -> list[str]:
    try:
        return [e for e in os.listdir("/dev/shm") if e.startswith("minimr")]
    except FileNotFoundError:
        return []


def _descriptors() -> dict[str, str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return {}
    tracker = resource_tracker._resource_tracker._fd
    found = {}
    for name in os.listdir(folder):
        try:
            target = os.readlink(folder / name)
        except FileNotFoundError:  # the one that listed the folder
            continue
        if name != str(tracker):
            found[name] = target
    return found


def _listeners() -> list[Any]:
    process = psutil.Process()
    ask = getattr(process, "net_connections", None) or process.connections
    return [c for c in ask("tcp") if c.status == psutil.CONN_LISTEN]


def _details() -> str:
    lines = [str(process) for process in _children()]
    lines += [f"/dev/shm/{name}" for name in _shared_memory()]
    lines += [f"fd {fd}: {to}" for fd, to in sorted(_descriptors().items())]
    return "\n".join(lines)
