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

from typing import Any, Literal, NamedTuple

from minimr.net.channel import Address
from minimr.shared.mapreduce.tasks import TaskReport

Kind = Literal["map", "reduce"]


class TaskId(NamedTuple):
    """A task of a job."""

    kind: Kind
    number: int

    def __str__(self) -> str:
        return f"{self.kind} task {self.number}"


class Attempt(NamedTuple):
    """One try of a task."""

    job_id: int
    task: TaskId
    number: int  # the same worker may get the same task again

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.task}"


class Source(NamedTuple):
    """Where a reduce task fetches: a worker, and the map tasks it did."""

    worker: int
    address: Address
    map_tasks: list[int]


class RemoteError(NamedTuple):
    """An exception on its way to the driver."""

    pickled: bytes
    traceback: str


class Register(NamedTuple):
    """worker -> coordinator, first of all. Reply: Welcome."""

    name: str  # given by the driver that started it; "" if a user has
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

    attempt: Attempt
    split: bytes  # pickled


class RunReduce(NamedTuple):
    """coordinator -> worker. It fetches, reduces and keeps the output."""

    attempt: Attempt
    sources: list[Source]


class Done(NamedTuple):
    """worker -> coordinator: this worker holds what the task made."""

    attempt: Attempt
    report: TaskReport


class TaskFailed(NamedTuple):
    """worker -> coordinator: the task raised."""

    attempt: Attempt
    error: RemoteError


class FetchFailed(NamedTuple):
    """worker -> coordinator: a reduce task cannot get its blocks."""

    attempt: Attempt
    source: int  # the worker that does not give them
    why: str


class Cancelled(NamedTuple):
    """worker -> coordinator: the task has ended with nothing."""

    attempt: Attempt


class Cancel(NamedTuple):
    """coordinator -> worker: nobody waits for this attempt any more."""

    attempt: Attempt


class SourceLost(NamedTuple):
    """coordinator -> worker: stop waiting for blocks of this worker."""

    worker_id: int


class Ask(NamedTuple):
    """coordinator -> worker: call on an output. Reply: Answer."""

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
    """worker -> worker: one block, or None if the source does not have it."""

    map_task: int
    data: Any  # bytes-like, received without a copy


Order = RunMap | RunReduce
# The one answer to an order.
End = Done | TaskFailed | FetchFailed | Cancelled
# What a registered worker may send to the coordinator.
FROM_MEMBERS = (Heartbeat, Done, TaskFailed, FetchFailed, Cancelled, Answer)
