"""How tasks run: in parallel, once each, and all before `run` returns."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minimr.interface.mapreduce import Job, MapReduce
from minimr.shared.mapreduce.wordcount import COMBINED
from tests.contract.conftest import NUM_WORKERS, on_workers
from tests.stage import Knock, Stage
from tests.table import Table


@on_workers
@pytest.mark.parametrize("phase", ["map", "reduce"])
def test_tasks_of_a_phase_run_at_the_same_time(
    engine: MapReduce, stage: Stage, phase: str
) -> None:
    here: list[Knock] = []

    def wait_for_all(knock: Knock) -> str | None:
        if not knock.name.startswith(phase):
            return "go"
        here.append(knock)
        if len(here) < NUM_WORKERS:
            return None  # until the others are there too
        for other in here:
            other.answer()
        return "go"

    stage.script = wait_for_all
    table = Table(stage.address, NUM_WORKERS, NUM_WORKERS)
    result = engine.run(table.job(), range(table.maps), table.reduces)
    assert result.merged() == table.expected()
    assert len({knock.pid for knock in here}) == NUM_WORKERS


@on_workers
def test_tasks_run_in_other_processes(engine: MapReduce, stage: Stage) -> None:
    table = Table(stage.address, 4, 3)
    engine.run(table.job(), range(table.maps), table.reduces).close()
    assert os.getpid() not in {knock.pid for knock in stage.knocks}


def test_every_task_runs_once_when_nothing_fails(
    engine: MapReduce, stage: Stage
) -> None:
    table = Table(stage.address, 30, 9)
    result = engine.run(table.job(), range(table.maps), table.reduces)
    assert result.merged() == table.expected()
    tasks = [f"map {i}" for i in range(30)]
    tasks += [f"reduce {i}" for i in range(9)]
    assert Counter(stage.names()) == Counter(tasks)
    assert result.stats.reruns == 0


def test_no_reduce_task_begins_before_the_last_map_task_has_ended(
    engine: MapReduce, stage: Stage
) -> None:
    table = Table(stage.address, 12, 4)
    engine.run(table.job(), range(table.maps), table.reduces).close()
    phases = [name.split()[0] for name in stage.names()]
    assert phases == ["map"] * 12 + ["reduce"] * 4


def test_run_returns_when_the_last_output_is_final(
    engine: MapReduce, files: Path
) -> None:
    log = files / f"ends-{engine.name}"
    log.touch()

    def pairs(split: int) -> Iterator[tuple[int, int]]:
        for key in range(7):
            yield key, split

    def fold(key: int, values: list[int]) -> list[int]:
        output = sorted(values)
        _append(log, f"{key}")
        return output

    result = engine.run(Job("ends", pairs, fold), range(5), 7)
    assert sorted(log.read_text().split()) == [str(key) for key in range(7)]
    assert result.merged() == {key: [0, 1, 2, 3, 4] for key in range(7)}
    assert len(log.read_text().split()) == 7, "asking runs nothing again"


def _append(log: Path, line: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@on_workers
def test_run_does_not_return_while_one_reduce_task_is_under_way(
    engine: MapReduce, stage: Stage
) -> None:
    held: list[Knock] = []
    others = {f"reduce {r}" for r in range(1, 6)}

    def hold_the_first(knock: Knock) -> str | None:
        if knock.name == "reduce 0":
            held.append(knock)
        if others <= set(stage.names()) and held:
            for first in held:
                first.answer()
        return None if knock.name == "reduce 0" else "go"

    stage.script = hold_the_first
    table = Table(stage.address, 2, 6)
    result = engine.run(table.job(), range(table.maps), table.reduces)
    assert others < set(stage.names())
    assert result.merged() == table.expected()


@pytest.mark.parametrize("number", [0, -1])
def test_less_than_one_reduce_task_is_refused(
    engine: MapReduce, number: int
) -> None:
    with pytest.raises(ValueError, match="at least one"):
        engine.run(COMBINED, [["a"]], number)


@pytest.mark.parametrize(("maps", "reduces"), [(1, 1), (47, 5), (3, 33)])
def test_progress_grows_until_every_task_of_a_phase_is_done(
    engine: MapReduce, maps: int, reduces: int
) -> None:
    seen: dict[str, list[int]] = {"map": [], "reduce": []}
    totals = {"map": maps, "reduce": reduces}

    def progress(phase: str, done: int, total: int) -> None:
        assert total == totals[phase]
        assert phase == "map" or seen["map"][-1] == maps, "map comes first"
        seen[phase].append(done)

    engine.run(COMBINED, [["a b c"]] * maps, reduces, progress).close()
    for phase, total in totals.items():
        assert seen[phase] == sorted(seen[phase])
        assert seen[phase][-1] == total


def test_what_progress_raises_ends_the_run_and_not_the_engine(
    engine: MapReduce,
) -> None:
    def interrupted(*progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run(COMBINED, [["a"]] * 9, 3, interrupted)
    assert engine.run(COMBINED, [["a"]] * 9, 3).merged() == {"a": 9}
