"""A job that is recorded: what its engine did, as a run of a trace.

engine.run(job) ── Recording ──> Run ──> file, page, `minimr why`
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
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
# (verbs or None, phase, done, total) ─> what was done to the job, as a line
Disturb = Callable[[Any, str, int, int], Any]


def run(
    engine: MapReduce,
    program: str,
    work: Work,
    progress: Progress,
    disturb: Disturb | None = None,
) -> tuple[Result, Any]:
    """Run a job; return its result, and what was recorded.

    Blocks: until the job is done, and all processes have told.
    """
    api = verbs_of(engine) if LADDER[engine.name].verbs else None
    module = importlib.import_module("lecture.recording")

    def told(phase: str, done: int, total: int) -> None:
        progress(phase, done, total)
        line = disturb and disturb(api, phase, done, total)
        if line:
            recording.said.append(line)

    with module.Recording(engine.name, program, api) as recording:
        result = engine.run(*work, recording.progress(told))
    if hasattr(result, "trace"):
        recording.lines = result.trace()
    return result, recording.run()


class WordCount:
    """A word count that is recorded, on one engine after the other.

    Args:
        paths: what is counted; none: Python's own library.
        workers: of each engine.
    """

    def __init__(self, paths: Sequence[str], workers: int) -> None:
        found = find_files(paths) if paths else standard_library()
        sources = [look(path) for path in found]
        size = sum(source.size for source in sources)
        splits = split_files(sources, default_num_splits(size, workers))
        reduces = default_num_reduce_tasks(size, workers)
        self._work = JOBS["combined"], splits, reduces
        self._program = f"word count, {size / 1e6:,.1f} MB"
        self._workers = workers

    def record(
        self, names: list[str], disturb: Disturb | None = None
    ) -> list[Any]:
        """Count on each engine; return the runs."""
        runs: list[Any] = []

        def count(name: str, engine: MapReduce, startup: float) -> None:
            display = ProgressDisplay(name)
            try:
                _, recorded = run(
                    engine, self._program, self._work, display.update, disturb
                )
            finally:
                display.close()
            runs.append(recorded)
            number = len(recorded.of("task"))
            note(f"{name}: {recorded.wall_s:.2f} s, {number} tasks")

        with Engines(names, self._workers, "local", None) as engines:
            for name in names:
                engines.run(name, count)
        return runs

    def again(self, name: str, disturb: Disturb) -> Any:
        """Count on one engine; return the run."""
        (recorded,) = self.record([name], disturb)
        return recorded
