"""MapReduce, as every rung of the ladder implements it.

    job, splits ──> MapReduce.run() ──> Result ──> merged(), top(n)
                    │                    │
                    │ map and reduce     │ outputs stay where they were
                    │ tasks run where    │ made, until somebody asks
                    │ the rung runs them │

Rules that hold on every rung:

1. The same job on the same splits gives the same result, whatever the
   number of map tasks, reduce tasks and workers, and whoever dies.
2. Every output counts exactly once, however often its task ran.
3. An error of a task is an error of the job: `JobError`, its cause the
   exception that the task raised.

This module knows nobody. The names are those of Dean and Ghemawat,
"MapReduce: Simplified Data Processing on Large Clusters", OSDI 2004.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

Pairs = Iterable[tuple[Any, Any]] | Mapping[Any, Any]
Progress = Callable[[str, int, int], None]  # (phase, tasks done, of all)


@dataclass(frozen=True)
class Job:
    """What is computed, and nothing about where.

    Attributes:
        name: for people; two jobs may share one.
        map_function: takes a split and gives pairs (key, value): a
            generator, a list, or a dict when the keys are distinct.
        reduce_function: takes a key and the list of all its values and
            gives the key's one result. The order of the values is not
            defined.
    """

    name: str
    map_function: Callable[[Any], Pairs]
    reduce_function: Callable[[Any, list[Any]], Any]


@dataclass
class Stats:
    """What a run cost. `seconds` leave out starting the engine."""

    map_tasks: int = 0
    reduce_tasks: int = 0
    reruns: int = 0  # attempts beyond the first, backup tasks too
    shuffle_bytes: int = 0  # encoded partitions that reduce tasks read
    map_seconds: float = 0.0
    reduce_seconds: float = 0.0
    worker_peak_rss_bytes: int = 0  # of the largest worker
    first_map_at: float = 0.0  # time.time() when the first map began
    counters: Counter[str] = field(default_factory=Counter)

    @property
    def seconds(self) -> float:
        """Wall-clock time from the first assignment to the last output."""
        return self.map_seconds + self.reduce_seconds


class JobError(RuntimeError):
    """A job that cannot finish. `__cause__` is what its task raised."""


class Result(ABC):
    """The output of a run: one dict a reduce task, left where it was made."""

    stats: Stats

    @abstractmethod
    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        """Call `function` on each reduce output, there where it lies.

        Runs in: driver; the function in the workers that hold outputs.
        Blocks: until every answer is here; lost outputs are made again.
        Returns: one answer a reduce task, in the order of the tasks.

        Raises:
            JobError: the function raised.
            ValueError: the result is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the outputs. The result cannot be asked any more."""

    def merged(self) -> dict[Any, Any]:
        """Bring every key and its result to the driver."""
        merged: dict[Any, Any] = {}
        for output in self.apply(_whole):
            merged.update(output)
        return merged

    def top(self, n: int) -> list[tuple[Any, Any]]:
        """Bring the n keys with the largest results, ties by key."""
        candidates = self.apply(_Top(n))
        return _Top(n)(dict(pair for top in candidates for pair in top))


class MapReduce(ABC):
    """An engine: it starts once, then runs one job after the other."""

    name: str

    @property
    def address(self) -> tuple[str, int]:
        """Where others join, on engines that others can join."""
        raise NotImplementedError(f"nobody can join {self.name}")

    @abstractmethod
    def run(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress | None = None,
    ) -> Result:
        """Run one map task a split, then the reduce tasks.

        Runs in: driver. Blocks: until every reduce task is done.

        Raises:
            JobError: a task raised, after a bounded number of tries, or
                no worker is left.
            ValueError: `num_reduce_tasks` is less than one.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop what the engine started. Results cannot be asked after it."""

    def __enter__(self) -> MapReduce:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def count(name: str, amount: int = 1) -> None:
    """Add to a counter of the job (section 4.6 of the paper).

    Called by map and reduce functions; `Stats.counters` has the sums over
    all tasks. A task that ran twice counts once. Outside of a task it
    does nothing.
    """
    counters = task_counters.get()
    if counters is not None:
        counters[name] += amount


task_counters: ContextVar[Counter[str] | None] = ContextVar(
    "task_counters", default=None
)


def check_num_reduce_tasks(number: int) -> None:
    """Refuse a number of reduce tasks that is less than one."""
    if number < 1:
        raise ValueError(f"{number} reduce tasks: there must be at least one")


def no_progress(phase: str, done: int, total: int) -> None:
    """Show no progress."""


def _whole(output: dict[Any, Any]) -> dict[Any, Any]:
    return output


@dataclass(frozen=True)
class _Top:
    """The n largest, as a function that can be sent to a worker."""

    n: int

    def __call__(self, output: dict[Any, Any]) -> list[tuple[Any, Any]]:
        largest = nlargest(self.n, output.values())
        if not largest:
            return []
        kept = [pair for pair in output.items() if pair[1] >= largest[-1]]
        kept.sort(key=lambda pair: pair[0])  # ties stand in order of key
        kept.sort(key=lambda pair: pair[1], reverse=True)
        return kept[: self.n]
