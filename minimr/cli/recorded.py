"""A job that is recorded: what its engine did, as a run of a trace.

engine.run(job) ── Recording ──> Run ──> file, page, `minimr why`
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from minimr.cli.console import ProgressDisplay, note
from minimr.cli.engines import Engines
from minimr.interface.mapreduce import Job, MapReduce, Progress, Result
from minimr.ladder import LADDER, verbs_of
from minimr.shared.mapreduce.corpus import (
    default_num_reduce_tasks,
    default_num_splits,
    find_files,
    split_files,
    standard_library,
)
from minimr.shared.mapreduce.sources import look
from minimr.shared.mapreduce.wordcount import JOBS

Work = tuple[Job, Sequence[Any], int]  # a job, its splits, its reduce tasks


def run(
    engine: MapReduce, program: str, work: Work, progress: Progress
) -> tuple[Result, Any]:
    """Run a job; return its result, and what was recorded.

    Blocks: until the job is done, and all processes have told.
    """
    api = verbs_of(engine) if LADDER[engine.name].verbs else None
    module = importlib.import_module("lecture.recording")
    with module.Recording(engine.name, program, api) as recording:
        result = engine.run(*work, recording.progress(progress))
    if hasattr(result, "trace"):
        recording.lines = result.trace()
    return result, recording.run()


def record_wordcount(
    paths: Sequence[str], names: list[str], workers: int
) -> list[Any]:
    """Count words on each engine, one after the other; return the runs."""
    found = find_files(paths) if paths else standard_library()
    sources = [look(path) for path in found]
    size = sum(source.size for source in sources)
    splits = split_files(sources, default_num_splits(size, workers))
    work = JOBS["combined"], splits, default_num_reduce_tasks(size, workers)
    runs: list[Any] = []

    def record(name: str, engine: MapReduce, startup: float) -> None:
        display = ProgressDisplay(name)
        program = f"word count, {size / 1e6:,.1f} MB"
        try:
            _, recorded = run(engine, program, work, display.update)
        finally:
            display.close()
        runs.append(recorded)
        number = len(recorded.of("task"))
        note(f"{name}: {recorded.wall_s:.2f} s, {number} tasks")

    with Engines(names, workers, "local", None) as engines:
        for name in names:
            engines.run(name, record)
    return runs
