"""Every message of rung 1: the protocol on one page.

    worker      -> coordinator   Register, Heartbeat, Done, TaskFailed,
                                 FetchFailed, Cancelled, Answer
    coordinator -> worker        Welcome, NewJob, RunMap, RunReduce,
                                 Cancel, SourceLost, Ask, Forget
    worker      -> worker        Fetch, and a Block for each map task asked

Every RunMap and RunReduce is answered exactly once, by Done, TaskFailed,
FetchFailed or Cancelled. A worker that has answered, or has registered, is
idle: that is how it asks for work. A connection that ends is a death; there
is no message for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.net.channel import Address
from minimr.shared.mapreduce.tasks import TaskReport


class TaskId(NamedTuple):
    """A task of a job."""

    kind: str  # "map" or "reduce"
    number: int

    def __str__(self) -> str:
        return f"{self.kind} task {self.number}"


class RemoteError(NamedTuple):
    """An exception on its way to the driver."""

    pickled: bytes
    traceback: str


class Register(NamedTuple):
    """worker -> coordinator, first of all. Reply: Welcome."""

    name: str  # that it was given by the driver that started it, or none
    pid: int  # for people: two machines may have the same
    data_port: int  # where other workers fetch from it


class Welcome(NamedTuple):
    """coordinator -> worker: how to behave."""

    worker_id: int
    heartbeat_interval_s: float
    fetch_timeout_s: float
    sys_path: list[str]  # where the driver finds the modules of its job


class Heartbeat(NamedTuple):
    """worker -> coordinator, at an interval, also during a task."""


class NewJob(NamedTuple):
    """coordinator -> worker, before the first task of a job."""

    job_id: int
    job: bytes  # pickled Job
    num_reduce_tasks: int


class RunMap(NamedTuple):
    """coordinator -> worker. It keeps the blocks and serves them."""

    job_id: int
    task: TaskId
    attempt: int
    split: bytes  # pickled


class RunReduce(NamedTuple):
    """coordinator -> worker. It fetches, reduces and keeps the output."""

    job_id: int
    task: TaskId
    attempt: int
    sources: list[tuple[int, Address, list[int]]]  # worker, its map tasks


class Done(NamedTuple):
    """worker -> coordinator: this worker holds what the task made."""

    job_id: int
    task: TaskId
    report: TaskReport


class TaskFailed(NamedTuple):
    """worker -> coordinator: the task raised."""

    job_id: int
    task: TaskId
    error: RemoteError


class FetchFailed(NamedTuple):
    """worker -> coordinator: a reduce task cannot get its blocks."""

    job_id: int
    task: TaskId
    source: int  # the worker that does not give them
    why: str


class Cancelled(NamedTuple):
    """worker -> coordinator: the task has ended with nothing."""

    job_id: int
    task: TaskId


class Cancel(NamedTuple):
    """coordinator -> worker: nobody waits for this attempt any more."""

    job_id: int
    task: TaskId
    attempt: int  # the same worker may get the same task again


class SourceLost(NamedTuple):
    """coordinator -> worker: stop waiting for blocks of this worker."""

    worker_id: int


class Ask(NamedTuple):
    """coordinator -> worker: apply to an output. Reply: Answer."""

    job_id: int
    question: int  # tells late answers to an earlier question apart
    partition: int
    function: bytes  # pickled


class Answer(NamedTuple):
    """worker -> coordinator: what the function gave, or why it did not."""

    job_id: int
    question: int
    partition: int
    pickled: Any  # bytes-like; a pickle of its own: it may be unsound
    error: RemoteError | None


class Forget(NamedTuple):
    """coordinator -> worker: free all that belongs to this job."""

    job_id: int


class Fetch(NamedTuple):
    """worker -> worker: give one partition of these map tasks."""

    job_id: int
    partition: int
    map_tasks: list[int]


class Block(NamedTuple):
    """worker -> worker: one block, or None where the source has it not."""

    map_task: int
    data: Any  # bytes-like, received without a copy


# What a registered worker may send to the coordinator.
FROM_MEMBERS = (Heartbeat, Done, TaskFailed, FetchFailed, Cancelled, Answer)
