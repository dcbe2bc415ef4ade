"""MapReduce, as every rung of the ladder implements it.

    job, splits ──> MapReduce.run() ──> Result ──> merged(), top(n)
                    │                    │
                    │ map and reduce     │ outputs stay where they were
                    │ tasks run where    │ made, until somebody
                    │ the rung runs them │ asks for them

Rules that hold on every rung:

1. The same job on the same splits gives the same result, whatever the
   number of map tasks, reduce tasks and workers, and whichever of them die.
2. Every output counts exactly once, however often its task ran.
3. An error of a task is an error of the job: `JobError`, its cause the
   exception that the task raised.

The names are those of Dean and Ghemawat, "MapReduce: Simplified Data
Processing on Large Clusters", OSDI 2004.
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
        map_function: takes a split and returns pairs (key, value): a
            generator, a list, or a dict when the keys are distinct.
        reduce_function: takes a key and the list of all its values, and
            returns the key's one result. The order of the values is not
            defined.
        partition: takes what the map function has returned and a number of
            partitions, and returns a block for each. None: the usual one.
        reduce_blocks: takes the blocks of a partition, and returns
            {key: result}: the same as reduce_function for every key, by a
            shorter way. None: there is none.
    """

    name: str
    map_function: Callable[[Any], Pairs]
    reduce_function: Callable[[Any, list[Any]], Any]
    partition: Callable[[Any, int], list[bytes]] | None = None
    reduce_blocks: Callable[[Iterable[bytes]], dict[Any, Any]] | None = None


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
    """The job cannot finish. `__cause__` is what its task raised."""


class Result(ABC):
    """The output of a run: a dict per reduce task, left where it was made."""

    stats: Stats

    @abstractmethod
    def apply(self, function: Callable[[dict[Any, Any]], Any]) -> list[Any]:
        """Call `function` on each reduce output, on the worker that holds it.

        Runs in: driver; the function in the workers that hold outputs.
        Blocks: until every answer is here; lost outputs are recomputed.
        Returns: one answer per reduce task, in the order of the tasks.

        Raises:
            JobError: the function raised.
            ValueError: the result is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the outputs. The result is of no use afterwards."""

    def merged(self) -> dict[Any, Any]:
        """Return every key and its result, brought to the driver."""
        merged: dict[Any, Any] = {}
        for output in self.apply(_whole):
            merged.update(output)
        return merged

    def top(self, n: int) -> list[tuple[Any, Any]]:
        """Return the n keys with the largest results; ties in order of key."""
        candidates = self.apply(_Top(n))
        return _Top(n)(dict(pair for top in candidates for pair in top))


class MapReduce(ABC):
    """An engine: it starts once, then runs one job after another."""

    name: str

    @property
    def address(self) -> tuple[str, int]:
        """Where workers join, on engines that can be joined."""
        raise NotImplementedError(f"nobody can join {self.name}")

    @abstractmethod
    def run(
        self,
        job: Job,
        splits: Sequence[Any],
        num_reduce_tasks: int,
        progress: Progress | None = None,
    ) -> Result:
        """Run one map task per split, then the reduce tasks.

        Runs in: driver. Blocks: until every reduce task is done.

        Raises:
            JobError: a task raised, after a bounded number of tries, or
                no worker is left.
            ValueError: `num_reduce_tasks` is less than one.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop what the engine started. Its results are of no use after it."""

    def __enter__(self) -> MapReduce:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def count(name: str, amount: int = 1) -> None:
    """Add to a counter of the job (section 4.6 of the paper).

    To be called by map and reduce functions; `Stats.counters` has the sums
    over all tasks. A task that ran twice counts once. Outside of a task it
    does nothing.
    """
    counters = task_counters.get()
    if counters is not None:
        counters[name] += amount


task_counters: ContextVar[Counter[str] | None] = ContextVar(
    "task_counters", default=None
)


def check_num_reduce_tasks(number: int) -> None:
    """Raise ValueError for a number of reduce tasks below one."""
    if number < 1:
        raise ValueError(f"{number} reduce tasks: there must be at least one")


def no_progress(phase: str, done: int, total: int) -> None:
    """Ignore the progress."""


def _whole(output: dict[Any, Any]) -> dict[Any, Any]:
    return output


@dataclass(frozen=True)
class _Top:
    """A function that can be sent to a worker: it returns the n largest."""

    n: int

    def __call__(self, output: dict[Any, Any]) -> list[tuple[Any, Any]]:
        largest = nlargest(self.n, output.values())
        if not largest:
            return []
        kept = [pair for pair in output.items() if pair[1] >= largest[-1]]
        kept.sort(key=lambda pair: pair[0])  # ties in order of key
        kept.sort(key=lambda pair: pair[1], reverse=True)
        return kept[: self.n]
