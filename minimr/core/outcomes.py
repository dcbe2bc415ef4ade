"""Between tasks and objects: what goes into a task, what comes out of it.

    inputs ─ when_ready ─> deps ─> (a worker) ─> finish ─> the entries

Rules:

1. A task is sent when its inputs are there; an input that is an error is
   the result of the task, which does not run.
2. Only a result that may be lost, one in an object store, keeps its task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.objects import Entry
from minimr.core.task import FIRST, Task, object_id
from minimr.net.channel import Address

if TYPE_CHECKING:
    from minimr.core.runtime import Runtime

LOCALITY_BYTES = 1 << 20  # arguments that a task is sent to


class Outcomes:
    """Waits for the inputs of tasks and hands out their results."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def when_ready(self, task: Task, run: Callable[[Task], None]) -> None:
        """Call `run` when the task's inputs are there. Lock held.

        An input that is an error is the task's result, and it is done.
        """
        waiting = [r.entry for r in task.refs if r.entry.value is None]
        left = len(waiting)

        def ready(entry: Entry) -> None:
            nonlocal left
            left -= 1
            failed = isinstance(entry.value, m.Failed)
            if task.waits and failed:
                self.finish(task, entry.value)
                run(task)
            elif task.waits and left == 0:
                run(task)

        for ref in task.refs:
            if isinstance(ref.entry.value, m.Failed):
                self.finish(task, ref.entry.value)
                break
        else:
            for entry in waiting:
                self.runtime.objects.watch(entry, ready)
        if not waiting or not task.waits:
            run(task)

    def deps(self, task: Task) -> tuple[tuple[m.Name, m.Value], ...]:
        """Give the inputs of a task as they are sent along."""
        if not task.refs:
            return ()
        name = self.runtime.objects.name
        deps = []
        for ref in task.refs:
            assert ref.entry.value is not None, "it was sent too early"
            deps.append((name(ref), ref.entry.value))
        return tuple(deps)

    def nearest(self, task: Task) -> Address:
        """Give the node that has most of a task's large inputs."""
        here: Address = self.runtime.node.data.address
        if not task.refs:
            return here
        weights = {here: LOCALITY_BYTES}
        for ref in task.refs:
            if isinstance(ref.entry.value, m.Stored):
                for place in ref.entry.value.places:
                    weights[place] = (
                        weights.get(place, 0) + ref.entry.value.size
                    )
        return max(weights, key=lambda place: weights[place])

    def finish(self, task: Task, results: Any) -> None:
        """Hand a task's results to its objects. Lock held."""
        task.waits = False
        if task.returns < 0 and type(results) is bytes:
            self._end_stream(task, results)
        if type(results) is bytes:  # the short form of one small value
            entry = self.runtime.objects.table.get(task.id + FIRST)
            if entry is not None:
                self.runtime.objects.fulfil(entry, results)
            task.refs, task.held = [], []
            return
        if isinstance(results, m.Failed):
            results = [results] * abs(task.returns)
        if task.returns < 0:
            self._end_stream(task, results[0])
        self._keep_lineage(task, results)
        for index, value in enumerate(results):
            self._deliver(task, index, value)
        task.refs = []
        if not task.kept:
            task.held = []

    def _end_stream(self, task: Task, end: m.Value) -> None:
        stream = self.runtime.streams.get(task.id)
        if stream is not None:
            stream.ended(end)

    def _keep_lineage(self, task: Task, results: list[m.Value]) -> None:
        if task.kept or not any(isinstance(v, m.Stored) for v in results):
            return
        task.inputs = [ref.entry for ref in task.refs]
        task.kept = True
        for index in range(len(results)):
            entry = self.runtime.objects.table.get(object_id(task.id, index))
            if entry is not None:
                self.runtime.objects.keep_lineage(entry)

    def _deliver(self, task: Task, index: int, value: m.Value) -> None:
        entry = self.runtime.objects.table.get(object_id(task.id, index))
        if entry is not None:
            self.runtime.objects.fulfil(entry, value)
        elif isinstance(value, m.Stored):  # nobody waits for it any more
            for place in value.places:
                self.runtime.link(place).post(
                    m.Free([object_id(task.id, index)])
                )
