"""HyperQueue: a server in Rust, and a process per task.

Its functions return nothing: here each writes a file, which others read.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

from benchmarks.arena.runtime import Runtime
from benchmarks.arena.work import increment, total


def run(
    path: str, function: Callable[..., Any], args: Any, before: list[str]
) -> None:
    """Call a function, and write what it returns. Runs in: a task.

    Args:
        before: files with further arguments.
    """
    result = function(*args, *map(read, before))
    Path(path).write_bytes(pickle.dumps(result))


def read(path: str) -> Any:
    """Return what a task has written."""
    return pickle.loads(Path(path).read_bytes())


class HyperQueue(Runtime):
    """A server, and a worker with as many cores as the others have."""

    takes_futures = True  # in a job

    def start(self, workers: int) -> None:
        """Start server and worker."""
        self.folder = TemporaryDirectory(prefix="arena-")
        self.names = count()
        config = WorkerConfig(cores=workers)
        self.cluster = LocalCluster(worker_config=config)
        self.client = self.cluster.client()

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Submit a job of one task."""
        job, tasks = Job(self.folder.name), {}
        path = self._task(job, tasks, function, args)
        return self.client.submit(job), path

    def result(self, handle: Any) -> Any:
        """Wait for the job, and read its file."""
        job, path = handle
        self.client.wait_for_jobs([job])
        return read(path)

    def map(self, function: Callable[..., Any], items: Sequence[Any]) -> Any:
        """Submit a job with a task per item."""
        job, tasks = Job(self.folder.name), {}
        for item in items:
            self._task(job, tasks, function, [item])
        self.client.wait_for_jobs([self.client.submit(job)])
        return [read(path) for path in tasks]

    def chain(self, length: int) -> int:
        """Submit a job whose tasks wait for each other."""
        job, tasks = Job(self.folder.name), {}
        path = self._task(job, tasks, increment, [0])
        for _ in range(length - 1):
            path = self._task(job, tasks, increment, [], [path])
        return int(self.result((self.client.submit(job), path)))

    def fan_in(self, width: int) -> int:
        """Submit a job whose last task waits for all others."""
        job, tasks = Job(self.folder.name), {}
        for number in range(width):
            self._task(job, tasks, increment, [number])
        path = self._task(job, tasks, total, [], [*tasks])
        return int(self.result((self.client.submit(job), path)))

    def stop(self) -> None:
        """Stop server and worker."""
        self.cluster.stop()
        self.folder.cleanup()

    def _task(
        self,
        job: Job,
        tasks: dict[str, Any],  # {the file that it writes: task}
        function: Callable[..., Any],
        args: Any,
        before: Sequence[str] = (),
    ) -> str:
        path = str(Path(self.folder.name, str(next(self.names))))
        tasks[path] = job.function(
            run,
            args=(path, function, args, [*before]),
            deps=[tasks[each] for each in before],
            stdout=None,
            stderr=None,
        )
        return path
