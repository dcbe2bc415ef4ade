"""A notebook as it is used: cells run again, are interrupted, are lost."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.lecture.kernels import Kernel

ENGINES = ("minimr", "ray")
TIMEOUT_S = 90
pytestmark = pytest.mark.timeout(3 * TIMEOUT_S)
START = """
import {engine} as ray
ray.init(address="local", num_cpus=2, **{options})
"""
QUIET = {"minimr": {}, "ray": {"include_dashboard": False}}


@pytest.fixture(scope="module", params=ENGINES)
def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    with started(request.param, tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@contextlib.contextmanager
def started(engine: str, folder: Path) -> Iterator[Kernel]:
    with Kernel(folder) as kernel:
        kernel.engine = engine
        start(kernel)
        yield kernel


def start(kernel: Kernel) -> None:
    engine = kernel.engine
    kernel.run(START.format(engine=engine, options=QUIET[engine]))


def test_a_function_of_a_cell_is_a_task(kernel: Kernel) -> None:
    kernel.run("SIZE = 3\ndef helper(x): return x * SIZE")
    kernel.run("@ray.remote\ndef task(x): return helper(x)")
    assert kernel.run("ray.get(task.remote(5))") == "15"


def test_a_cell_that_is_run_again_has_a_new_function(kernel: Kernel) -> None:
    cell = "@ray.remote\ndef again(): return {}\nray.get(again.remote())"
    assert kernel.run(cell.format(1)) == "1"
    assert kernel.run(cell.format(2)) == "2"
    kernel.run("def helped(): return 'old'")
    kernel.run("@ray.remote\ndef helps(): return helped()")
    assert kernel.run("ray.get(helps.remote())") == "'old'"
    kernel.run("def helped(): return 'new'")
    kernel.run("@ray.remote\ndef helps(): return helped()")
    assert kernel.run("ray.get(helps.remote())") == "'new'"


def test_a_cell_awaits_a_reference(kernel: Kernel) -> None:
    kernel.run("@ray.remote\ndef one(): return 1")
    assert kernel.run("await one.remote()") == "1"
    both = "import asyncio\nawait asyncio.gather(one.remote(), one.remote())"
    assert kernel.run(both) == "[1, 1]"


def test_an_actor_keeps_its_state_from_cell_to_cell(kernel: Kernel) -> None:
    kernel.run(
        "@ray.remote\nclass Count:\n  n = 0\n"
        "  def up(self):\n    self.n += 1\n    return self.n\n"
        "count = Count.remote()"
    )
    assert kernel.run("ray.get(count.up.remote())") == "1"
    assert kernel.run("ray.get(count.up.remote())") == "2"


def test_a_progress_bar_follows_the_results(kernel: Kernel) -> None:
    pytest.importorskip("tqdm")
    told = kernel.run(
        "from tqdm import tqdm\n"
        "@ray.remote\ndef one(): return 1\n"
        "refs = [one.remote() for _ in range(5)]\n"
        "sum(ray.get(ref) for ref in tqdm(refs))"
    )
    assert "5/5" in told
    assert told.endswith("5")


def test_init_twice_names_what_to_do(kernel: Kernel) -> None:
    assert "ignore_reinit_error=True" in kernel.run("ray.init()")
    kernel.run("_ = ray.init(ignore_reinit_error=True)")
    assert kernel.run("ray.is_initialized()") == "True"


def test_an_error_shows_the_line_of_its_cell(kernel: Kernel) -> None:
    kernel.run("@ray.remote\ndef fails():\n    return 1 / 0  # the line")
    told = kernel.run("ray.get(fails.remote())")
    assert "ZeroDivisionError" in told
    if kernel.engine == "minimr":  # Ray shows no line here
        assert re.search(r"in fails\n +return 1 / 0  # the line", told)


SLOW = """
import time, pathlib
@ray.remote
def slow(number):
    pathlib.Path(f"begun-{number}").touch()
    time.sleep(60)
    pathlib.Path(f"ended-{number}").touch()
"""


def test_what_an_interrupted_cell_has_queued_is_cancelled(
    tmp_path: Path,
) -> None:
    with started("minimr", tmp_path) as kernel:
        kernel.run(SLOW)
        kernel.run("kept = ray.put(7)")
        kernel.begin(
            "refs = [slow.remote(i) for i in range(6)]\nray.get(refs)"
        )
        until = time.monotonic() + TIMEOUT_S
        while not list(tmp_path.glob("begun-*")):
            assert time.monotonic() < until
            time.sleep(0.01)  # a file tells nobody that it is there
        kernel.interrupt()
        told = kernel.end()
        assert "KeyboardInterrupt" in told
        assert "minimr: interrupted: 6 tasks of this cell cancelled" in told
        kernel.run("@ray.remote\ndef one(): return 1")
        # two processors: it runs only if the others are gone
        assert kernel.run("ray.get([one.remote(), kept])") == "[1, 7]"
        assert len(list(tmp_path.glob("begun-*"))) <= 2
        assert "TaskCancelledError" in kernel.run("ray.get(refs[-1])")


def test_tasks_of_other_cells_outlive_an_interrupt(kernel: Kernel) -> None:
    kernel.run(
        "import time, os\n@ray.remote\ndef wait_for(name):\n"
        "    while not os.path.exists(name): time.sleep(0.01)\n"
        "    return name\n"
        "before = wait_for.remote('go')"
    )
    kernel.begin("print('begun')\nray.get(wait_for.remote('never'))")
    kernel.await_text("begun")
    kernel.interrupt()
    told = kernel.end()
    assert "KeyboardInterrupt" in told
    if kernel.engine == "minimr":  # on Ray, it runs on
        assert "1 task of this cell cancelled" in told
    kernel.run("open('go', 'w').close()")
    assert kernel.run("ray.get(before)") == "'go'"


def test_a_restarted_kernel_leaves_nothing(tmp_path: Path) -> None:
    with started("minimr", tmp_path) as kernel:
        left = below(kernel)
        kernel.restart()
        assert "NameError" in kernel.run("refs")
        all_end(left)


def test_a_killed_kernel_leaves_nothing(kernel: Kernel) -> None:
    """The last of this file: nothing can follow."""
    left = below(kernel)
    psutil.Process(int(kernel.run("import os; os.getpid()"))).kill()
    all_end(left)


def below(kernel: Kernel) -> list[psutil.Process]:
    """Return the processes that run and have queued tasks of a kernel."""
    kernel.run(SLOW)
    kernel.run("refs = [slow.remote(i) for i in range(6)]")
    ours = psutil.Process(int(kernel.run("import os; os.getpid()")))
    found = ours.children(recursive=True)
    assert found
    return found


def all_end(left: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(left, timeout=TIMEOUT_S)
    assert alive == []
    assert [e for e in os.listdir("/dev/shm") if "minimr" in e] == []
