"""Run every case on Ray and on minimr, and let tests and tasks meet.

    pytest  --api-->  ray or minimr  --processes-->  tasks
       |                                               |
       +-- gate (flock) and mailbox (FIFO) in tmp_path +

Rule 1. A case knows only the names of `api`; Ray judges what is right.
Rule 2. What a case uses to meet its tasks (gates, mailboxes) does not go
        through `api`, so that it cannot hide what is tested.
Rule 3. Functions that travel to tasks are local, so that they go by value.
"""

import fcntl
import importlib
import json
import os
import select
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

DEADLINE_S = 30
CLUSTER = {
    "num_cpus": 4,
    "num_gpus": 2,
    "resources": {"widget": 2},
    "namespace": "suite",
    "log_to_driver": False,
}
ONLY_FOR_RAY = {
    "address": "local",  # not the cluster that may run on this machine
    "include_dashboard": False,
    "_node_ip_address": "127.0.0.1",
}


@pytest.fixture(scope="session", params=["ray", "minimr"])
def api(request):
    """The module under test, started once for all cases."""
    module = pytest.importorskip(request.param)
    if not hasattr(module, "init"):
        pytest.skip(f"{request.param} has no init yet")
    extra = ONLY_FOR_RAY if request.param == "ray" else {}
    module.init(**CLUSTER, **extra)
    for name in ("exceptions", "util.queue", "util.scheduling_strategies"):
        importlib.import_module(f"{request.param}.{name}")
    yield module
    module.shutdown()


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Take the place of the check after each test of other suites.

    The cases share one cluster, which keeps workers and links that a case
    made it start. What the cluster leaves, the fault tests look at.
    """


@pytest.fixture
def new_gate(tmp_path):
    """Make gates: `wait` returns in any process once `open` was called.

    A closed gate is a file lock that the test holds. Waiting takes no turn
    of a clock, works for any number of tasks, and is over when the test is.
    """
    files = []

    def new():
        path = str(tmp_path / f"gate{len(files)}")
        file = open(path, "w")  # noqa: SIM115  (closed below)
        files.append(file)
        fcntl.flock(file, fcntl.LOCK_EX)

        def wait():
            with open(path) as mine:
                fcntl.flock(mine, fcntl.LOCK_SH)

        def release():
            # Not only close(): a forked child may have the file open too.
            fcntl.flock(file, fcntl.LOCK_UN)

        return SimpleNamespace(wait=wait, open=release, path=path)

    yield new
    for file in files:
        fcntl.flock(file, fcntl.LOCK_UN)
        file.close()


@pytest.fixture
def gate(new_gate):
    return new_gate()


@pytest.fixture
def mailbox(tmp_path):
    """A pipe from tasks to the test: `send(text)`, `receive(count)`."""
    path = str(tmp_path / "mailbox")
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)  # both ends, so that no open blocks
    lines = []
    buffered = [b""]

    def send(text=""):
        with open(path, "w") as end:
            end.write(f"{text}\n")

    def fill(deadline):
        left = max(0, deadline - time.monotonic())
        if not select.select([pipe], [], [], left)[0]:
            return False
        *whole, buffered[0] = (buffered[0] + os.read(pipe, 4096)).split(b"\n")
        lines.extend(line.decode() for line in whole)
        return True

    def receive(count=1, timeout=DEADLINE_S):
        """Return `count` texts; fail when they do not come in time."""
        deadline = time.monotonic() + timeout
        while len(lines) < count:
            assert fill(deadline), f"{len(lines)} of {count} came: {lines}"
        taken = lines[:count]
        del lines[:count]
        return taken

    def empty():
        return not lines and not fill(deadline=0)

    yield SimpleNamespace(send=send, receive=receive, empty=empty)
    os.close(pipe)


@pytest.fixture
def attempt(tmp_path):
    """Count how often something ran: `attempt()` gives 1, then 2, ..."""
    path = str(tmp_path / "attempts")
    open(path, "w").close()

    def count():
        with open(path, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write("x")
            file.flush()
            return os.path.getsize(path)

    return count


@pytest.fixture
def eventually():
    """Ask until it is true: for tables that Ray brings up to date late."""

    def ask(condition, timeout=DEADLINE_S):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it did not become true"
            time.sleep(0.02)

    return ask


@pytest.fixture(scope="module", params=["ray", "minimr"])
def seen(request, tmp_path_factory):
    """What the module's `PROGRAM` saw, run once for all of its cases."""
    if not hasattr(pytest.importorskip(request.param), "init"):
        pytest.skip(f"{request.param} has no init yet")
    program = request.module.PROGRAM
    path = tmp_path_factory.mktemp(program.stem) / "seen.json"
    done = subprocess.run(
        [sys.executable, str(program), request.param, str(path)],
        timeout=getattr(request.module, "PROGRAM_S", 150),
        text=True,
        env=os.environ | {"PYTHONPATH": str(program.parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert path.exists(), done.stdout
    return json.loads(path.read_text())
