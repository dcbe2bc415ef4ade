"""What a task computes, wherever it runs, and what it reports."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimr.interface.mapreduce import Job, Stats, count, task_counters
from minimr.shared.mapreduce.shuffle import stable_hash
from minimr.shared.mapreduce.tasks import (
    RELAXED_GC,
    TaskReport,
    add_reports,
    do_map_task,
    do_reduce_task,
)
from minimr.shared.mapreduce.wordcount import COMBINED, TEXTBOOK
from minimr.system.machine import peak_rss_bytes


class BrokenError(Exception):
    pass


def broken(*_: Any) -> Iterator[tuple[Any, Any]]:
    count("calls")
    yield "a", 1
    raise BrokenError


def unreachable() -> Iterator[bytes]:
    yield do_map_task(COUNTING, "a", 1)[0][0]
    raise BrokenError


def counting_map(split: str) -> Iterator[tuple[str, int]]:
    count("splits")
    for word in split.split():
        count("words", 2)
        yield word, 1


def counting_reduce(word: str, ones: list[int]) -> int:
    count("keys")
    return len(ones)


COUNTING = Job("counting", counting_map, counting_reduce)
BROKEN = Job("broken", broken, broken)


def test_a_map_task_gives_a_block_a_reduce_task() -> None:
    blocks, _ = do_map_task(TEXTBOOK, "to be or not to be", 3)
    assert len(blocks) == 3
    outputs = [do_reduce_task(TEXTBOOK, [block])[0] for block in blocks]
    for partition, output in enumerate(outputs):
        assert all(stable_hash(word) % 3 == partition for word in output)
    merged = {word: n for output in outputs for word, n in output.items()}
    assert merged == {"to": 2, "be": 2, "or": 1, "not": 1}


def test_a_reduce_task_takes_the_blocks_of_every_map_task() -> None:
    splits = ["to be", "or not", "to be"]
    blocks = [do_map_task(COMBINED, split, 1)[0][0] for split in splits]
    output, _ = do_reduce_task(COMBINED, iter(blocks))
    assert output == {"to": 2, "be": 2, "or": 1, "not": 1}


def test_a_reduce_task_may_have_nothing_to_do() -> None:
    assert do_reduce_task(COMBINED, [])[0] == {}


def test_a_task_reports_what_it_cost() -> None:
    before = time.time()
    blocks, map_report = do_map_task(TEXTBOOK, "a b c", 1)
    _, reduce_report = do_reduce_task(TEXTBOOK, blocks)
    for report in (map_report, reduce_report):
        assert report.pid == os.getpid()
        assert before <= report.started_at <= time.time()
        assert 0 < report.seconds < 10
        assert report.peak_rss_bytes > 2**20
    assert map_report.shuffle_bytes == 0
    assert reduce_report.shuffle_bytes == len(blocks[0])


def test_the_time_of_a_task_is_the_time_of_its_functions() -> None:
    def slow(split: str) -> Iterator[tuple[str, int]]:
        until = time.perf_counter() + 0.05
        while time.perf_counter() < until:
            pass
        yield split, 1

    _, report = do_map_task(Job("slow", slow, broken), "a", 1)
    assert report.seconds >= 0.05


def test_a_report_travels() -> None:
    _, report = do_map_task(COUNTING, "a b", 1)
    assert pickle.loads(pickle.dumps(report)) == report


def test_the_counters_of_a_task_are_its_own() -> None:
    blocks, first = do_map_task(COUNTING, "a b a", 1)
    _, second = do_map_task(COUNTING, "c", 1)
    _, reduce = do_reduce_task(COUNTING, blocks)
    assert first.counters == {"splits": 1, "words": 6}
    assert second.counters == {"splits": 1, "words": 2}
    assert reduce.counters == {"keys": 2}


def test_outside_of_a_task_nothing_is_counted() -> None:
    count("nobody")
    assert task_counters.get() is None


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: do_map_task(BROKEN, "", 1),
        lambda: do_reduce_task(COUNTING, unreachable()),
        lambda: do_map_task(COUNTING, "a", 1),
    ],
    ids=["a map that raises", "a fetch that raises", "a map that ends"],
)
def test_a_task_leaves_the_process_as_it_was(
    attempt: Callable[[], Any],
) -> None:
    before = gc.get_threshold()
    with contextlib.suppress(BrokenError):
        attempt()
    assert gc.get_threshold() == before
    assert task_counters.get() is None


def test_the_collector_is_relaxed_while_a_task_runs() -> None:
    def look(split: str) -> Iterator[tuple[Any, int]]:
        yield gc.get_threshold(), 1

    assert gc.get_threshold() != RELAXED_GC
    blocks, _ = do_map_task(Job("look", look, lambda key, _: key), "", 1)
    assert list(do_reduce_task(TEXTBOOK, blocks)[0]) == [RELAXED_GC]


def test_what_a_function_raises_goes_through() -> None:
    with pytest.raises(BrokenError):
        do_map_task(BROKEN, "", 1)


def test_reports_add_up() -> None:
    maps = [
        TaskReport(1, 20.0, 1.0, 0, 500, counters=Counter(a=1)),
        TaskReport(1, 10.0, 1.0, 0, 700, counters=Counter(a=2, b=1)),
    ]
    reduces = [TaskReport(1, 30.0, 1.0, 40, 600), TaskReport(1, 5.0, 1.0, 2)]
    stats = Stats()
    add_reports(stats, iter(maps), iter(reduces))
    assert (stats.map_tasks, stats.reduce_tasks) == (2, 2)
    assert stats.first_map_at == 10.0
    assert stats.shuffle_bytes == 42
    assert stats.worker_peak_rss_bytes == 700
    assert stats.counters == {"a": 3, "b": 1}


def test_no_reports_add_up_to_nothing() -> None:
    stats = Stats()
    add_reports(stats, [], [])
    assert stats == Stats()


def test_the_peak_of_memory_stays_when_memory_is_given_back() -> None:
    before = peak_rss_bytes()
    block = bytearray(b"x") * (before + 2**25)
    assert peak_rss_bytes() > before + 2**24
    del block
    assert peak_rss_bytes() > before + 2**24
