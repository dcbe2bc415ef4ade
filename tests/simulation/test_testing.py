"""`minimr.testing`: what goes wrong on purpose, in tests of programs."""

from __future__ import annotations

import time

import minimr as ray
from minimr.testing import Simulated, simulated

pytest_plugins = ["minimr.testing.fixtures"]


def square(number: int) -> int:
    time.sleep(0.2)
    return number * number


def squares() -> int:
    task = ray.remote(square)
    return sum(ray.get([task.remote(number) for number in range(8)]))


def test_a_program_survives_the_node_of_its_third_task(
    simulated: Simulated,
) -> None:
    simulated.kill_node(task=3)
    summary = simulated.run(squares, seeds=6)
    assert (summary.runs, summary.findings) == (6, [])
    assert summary.exact == 6


def once() -> int:
    task = ray.remote(max_retries=0)(square)
    return int(ray.get(task.remote(3)))


def test_what_is_killed_is_the_worker_of_that_task() -> None:
    with simulated(nodes=1) as cluster:
        cluster.kill_worker(task=1, name="square")
        summary = cluster.run(once, seeds=2, errors=())
    assert len(summary.findings) == 2
    assert "WorkerCrashedError" in summary.findings[0].why
    with simulated(nodes=1) as cluster:
        cluster.kill_worker(task=1)
        assert cluster.run(once, seeds=2).errors == 2


def test_a_task_that_is_never_sent_is_a_finding() -> None:
    with simulated(nodes=1) as cluster:
        cluster.kill_worker(task=2)
        summary = cluster.run(once, seeds=1)
    assert "no such tasks: [('', 2)]" in summary.findings[0].why


def how_long() -> float:
    begin = time.monotonic()
    ray.get(ray.remote(square).remote(3))
    return time.monotonic() - begin


def test_a_reply_comes_later_and_a_cut_is_waited_for() -> None:
    for what in ("delay", "cut"):
        times: list[float] = []

        def program(times: list[float] = times) -> int:
            times.append(how_long())
            return 0

        with simulated(nodes=2, cpus=1) as cluster:
            if what == "delay":
                cluster.delay("Done", seconds=2.0)
            else:
                cluster.cut("head", seconds=3.0, after_s=0.0)
            summary = cluster.run(program, seeds=1)
        assert summary.exact == 1
        undisturbed, other = times
        assert undisturbed < 1.0
        assert (other > 2.0) is (what == "delay")
