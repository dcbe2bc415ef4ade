"""Ways to count words that need nothing but Python, and our engines.

All count the same files. Two times are measured:

    run      until the counts are final, wherever they are
    merged   until all of them are a dict in the driver

The single-thread loop ends with its counts in the driver, while an engine
leaves them on its workers: `merged` compares like with like.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.common.drivers import Contender
from benchmarks.common.timing import Sample
from benchmarks.wordcount.work import Work
from minimr.interface.mapreduce import Job, Result, Stats
from minimr.ladder import Options, open_engine
from minimr.shared.mapreduce.corpus import FileSplit
from minimr.system.machine import peak_rss_bytes


class WordCounter(Contender):
    """Counts, brings the counts to the driver, and times both."""

    def __init__(self, work: Work) -> None:
        self.work = work

    @abstractmethod
    def run(self) -> Any:
        """Count. Blocks: until the counts are final."""

    def merge(self, output: Any) -> Mapping[str, int]:
        """Return the counts that `run` has made, brought to the driver."""
        counts: Mapping[str, int] = output
        return counts

    def facts(self, output: Any) -> dict[str, Any]:
        """Return facts about a merged run: the peak of memory."""
        return {"peak_rss_bytes": peak_rss_bytes()}

    def measure(self) -> Sample:
        """Count once, and return the times."""
        gc.collect()
        start = time.perf_counter()
        output = self.run()
        ran = time.perf_counter()
        counts = self.merge(output)
        merged = time.perf_counter()
        return Sample(
            {"run": ran - start, "merged": merged - start},
            {**self.facts(output), **self.work.summary(counts)},
        )


class Loop(WordCounter):
    """The single-thread loop, as everybody writes it first."""

    name = "loop"

    def run(self) -> Counter[str]:
        """Count file by file."""
        counts: Counter[str] = Counter()
        for path in self.work.paths:
            counts.update(read_text(path).lower().split())
        return counts


class Plain(WordCounter):
    """The job's own two functions in plain loops: no block, no process."""

    name = "plain"

    def run(self) -> dict[str, int]:
        """Map, group and reduce."""
        job = self.work.job
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for split in self.work.splits:
            for word, value in _pairs(job.map_function(split)):
                groups[word].append(value)
        return {w: job.reduce_function(w, v) for w, v in groups.items()}


class Pool(WordCounter):
    """`multiprocessing.Pool` with the same functions and splits.

    The usual way without a shuffle: the workers map, and the parent gets
    every pair, groups and reduces.
    """

    name = "pool"

    def start(self) -> None:
        """Start the workers."""
        self._peak = 0
        self._pool = multiprocessing.Pool(
            self.work.workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)
        )

    def run(self) -> dict[str, int]:
        """Map in the workers, group and reduce here."""
        job = self.work.job
        groups: defaultdict[str, list[int]] = defaultdict(list)
        tasks = [(job, split) for split in self.work.splits]
        for pairs, peak in self._pool.imap_unordered(_pool_task, tasks):
            self._peak = max(self._peak, peak)
            for word, value in _pairs(pairs):
                groups[word].append(value)
        return {w: job.reduce_function(w, v) for w, v in groups.items()}

    def facts(self, output: Any) -> dict[str, Any]:
        """Return the peak memory of the workers."""
        return {"peak_rss_bytes": self._peak}

    def close(self) -> None:
        """End the workers."""
        self._pool.terminate()
        self._pool.join()


class Engine(WordCounter):
    """A rung of the ladder, started once and kept warm."""

    def __init__(self, work: Work, name: str) -> None:
        super().__init__(work)
        self.name = name

    def start(self) -> None:
        """Start the engine and its workers."""
        self._engine = open_engine(self.name, Options(self.work.workers))

    def run(self) -> Result:
        """Run the job. The outputs stay where they were made."""
        work = self.work
        return self._engine.run(work.job, work.splits, work.reduce_tasks)

    def merge(self, output: Result) -> Mapping[str, int]:
        """Return all outputs as one dict, and free them on the workers."""
        counts = output.merged()
        output.close()
        return counts

    def facts(self, output: Result) -> dict[str, Any]:
        """Return the run's own statistics."""
        stats: Stats = output.stats
        return {
            "peak_rss_bytes": stats.worker_peak_rss_bytes,
            "map_seconds": stats.map_seconds,
            "reduce_seconds": stats.reduce_seconds,
            "map_tasks": stats.map_tasks,
            "reduce_tasks": stats.reduce_tasks,
            "reruns": stats.reruns,
            "shuffle_bytes": stats.shuffle_bytes,
        }

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()


def read_text(path: str) -> str:
    """Return a file's text, decoded as the word count decodes it."""
    with open(
        path, encoding="utf-8-sig", errors="replace", newline=""
    ) as file:
        return file.read()


def _pairs(output: Any) -> Iterable[tuple[str, int]]:
    return output.items() if isinstance(output, Mapping) else output


def _pool_task(task: tuple[Job, FileSplit]) -> tuple[Any, int]:
    job, split = task
    output = job.map_function(split)
    # A generator cannot travel.
    pairs = output if isinstance(output, Mapping) else list(output)
    return pairs, peak_rss_bytes()
