"""The caller's side of actors: a queue for each, and one lease to serve it.

    handle.method.remote() ─> its place in the queue ─> the actor's process
    control store ── ActorState ────> the queue opens, waits, or fails

Rules:

1. Calls of one process to one actor leave in the order they were made,
   even if the inputs of a later one are there first. An actor that runs
   several at once gets each when its inputs are there.
2. A call that was sent when the process died is sent again only if it has
   retries (`max_task_retries`). One that was made while the actor restarts
   waits only if it has some, and fails at once otherwise.
3. An actor ends with its last counted handle: these hold references to an
   object that stands for it, its anchor, which keeps the arguments of the
   constructor as well.
4. The end of an actor is believed when its link closes: the last answers
   may still be on the way when the control store tells of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from minimr.core import messages as m
from minimr.core.process.refs import ObjectRef, released
from minimr.core.process.tasks import (
    ALL,
    CLOSED,
    FIRST,
    Lease,
    Queue,
    Task,
    restarting,
)
from minimr.net.messages import Handler
from minimr.net.peer import Peer

if TYPE_CHECKING:
    from minimr.core.process.runtime import Runtime

RAISED = "its constructor raised"  # why an actor is dead
NONE = b"N."  # the pickle of None: the value of an anchor


class Actors:
    """The actors that this process calls. Methods: with the lock held."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.queues: dict[bytes, Queue] = {}
        self._detached: list[ObjectRef] = []  # anchors, kept to the end
        self._ours: dict[bytes, str] = {}  # {actor: its class}, we made it

    def create(
        self,
        spec: m.ActorSpec,
        refs: list[ObjectRef],
        held: list[ObjectRef],
        answered: Callable[[Any], None],
    ) -> ObjectRef:
        """Have an actor made when its inputs are there; give its anchor."""
        name = f"{spec.class_name}.__init__"
        task = Task(spec.id, name, "__init__", b"", b"", refs, held, 1)
        anchor = self.runtime.objects.new(spec.id + FIRST, task)
        if spec.owner is None:
            self._detached.append(anchor)
        if released:  # who had the name may be gone by that
            self.runtime.objects.drain()
        head = self.runtime.head()
        self._ours[spec.id] = spec.class_name
        self.runtime.ask(head, answered, m.CreateActor(spec))
        self.queue(spec.id)
        self._prepare(task, anchor)
        return anchor

    def _prepare(self, task: Task, anchor: ObjectRef) -> None:
        """Have an actor started when the arguments are there."""

        def start(task: Task) -> None:
            if isinstance(anchor.entry.value, m.Failed):  # so is an input
                queue = self.queue(task.id)
                queue.error = anchor.entry.value
                self.runtime.leases.dispatch(queue)
                self.end(task.id, True, "an argument of it is an error")
            else:
                anchor.entry.value = NONE
                deps = self.runtime.tasks.deps(task)
                head = self.runtime.head()
                head.post(m.StartActor(task.id, deps))

        self.runtime.tasks.when_ready(task, start)

    def handlers(self) -> list[Handler]:
        """List what it is told."""
        return [
            m.PrepareActor.to(self._on_prepare_actor),
            m.ActorState.to(self._on_actor_state),
        ]

    def _on_prepare_actor(self, peer: Peer, prepare: m.PrepareActor) -> None:
        id, number, place = prepare
        entry = self.runtime.objects.table.get(id + FIRST)
        if entry is None or entry.task is None:
            return  # no handle is left: it ends
        if number >= 0:
            argument = entry.task.refs[number].entry
            self.runtime.objects.missing(argument, place)
        self._prepare(entry.task, ObjectRef(entry))

    def queue(self, actor: bytes) -> Queue:
        """Give the queue of an actor; follow it from now on."""
        if actor not in self.queues:
            self.queues[actor] = Queue(0, None)
            self.runtime.urgent = True
            self.runtime.head().post(m.Follow(actor))
        return self.queues[actor]

    def unreachable(self, creation: Task) -> None:
        """No handle is left anywhere to an actor of ours."""
        if creation.function == "__init__" and creation.shape is None:
            self.end(creation.id, True, "no handle to it is left", False)

    def end(
        self, actor: bytes, no_restart: bool, why: str, at_once: bool = True
    ) -> None:
        """Have the control store end an actor."""
        end = m.EndActor(actor, no_restart, why, at_once)
        self.runtime.ask(self.runtime.head(), lambda _: None, end)

    def _on_actor_state(self, peer: Peer, told: m.ActorState) -> None:
        id, state, worker, why, error = told
        queue = self.queues.get(id)
        if queue is None or state == "PENDING":
            return
        for lease in queue.leases:
            if not lease.lost and (worker is None or lease.then):
                lease.window = CLOSED
                again = partial(self._on_actor_state, peer, told)
                lease.then.append(again)
                return
        link = self.runtime.link(worker) if worker is not None else None
        if any(lease.peer is link for lease in queue.leases):
            return
        if state == "DEAD":
            del self.queues[id]
            queue.error = m.Failed(error or b"")
            for task in [*self.runtime.tasks.live.values()]:
                if task.queue is queue and not task.ready:
                    self.runtime.tasks.finish(task, queue.error)
            if self._ours.pop(id, None) and why == RAISED and not queue.tasks:
                self.runtime.objects.unhandled.say(queue.error)
        elif state == "RESTARTING" and id in self._ours:
            how = why.partition("; its last output")[0]
            text = f"the actor {self._ours[id]} starts again: {how}"
            self.runtime.say(text)
        for lease in [*queue.leases]:
            self.runtime.leases.end(lease, why)
        queue.gap = restarting(why) if state == "RESTARTING" else None
        for task in [*queue.tasks] if queue.gap is not None else ():
            if task.waits and task.is_impatient():
                self.runtime.tasks.finish(task, queue.gap)
        if link is not None:
            self.runtime.leases.add(Lease(queue, link, 0, None, ALL))
        self.runtime.leases.dispatch(queue)
