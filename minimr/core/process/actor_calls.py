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
5. A link that closes is no end: the control store is asked, and if the actor
   lives it is dialled again. What was under way is then as if it had died.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from minimr.core import messages as m
from minimr.core.process.leases import Leases
from minimr.core.process.records import FIRST, Lease, ObjectRef, Queue, Task
from minimr.core.process.tasks import Tasks, restarting
from minimr.core.process.window import ALL, Window
from minimr.net.endpoint import AskFunction, Later, Link
from minimr.net.messages import Gone, Handler, Reply
from minimr.net.peer import Peer

AGAIN_S = 1.0  # after its link has closed, until somebody is asked
UNLINKED = "the connection to its process was lost"
RAISED = "its constructor raised"  # why an actor is dead
NONE = b"N."  # the pickle of None: the value of an anchor


class Actors:
    """The actors that this process calls. Methods: with the lock held.

    Args:
        head: gives the link to the control store.
        hurry: has sent at once what was posted.
        say: tells the user.
    """

    def __init__(
        self,
        tasks: Tasks,
        leases: Leases,
        *,
        link: Link,
        ask: AskFunction,
        later: Later,
        head: Callable[[], Peer],
        hurry: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._objects = tasks.objects
        self._tasks = tasks
        self._leases = leases
        self._link = link
        self._ask = ask
        self._later = later
        self._head = head
        self._hurry = hurry
        self._say = say
        self.queues: dict[bytes, Queue] = {}
        self._detached: list[ObjectRef] = []  # anchors, kept to the end
        self._ours: dict[bytes, str] = {}  # {actor: its class}, we made it
        self._news = {
            "PENDING": lambda *told: None,
            "ALIVE": self._is_alive,
            "RESTARTING": self._restarts,
            "DEAD": self._is_dead,
        }

    def handlers(self) -> list[Handler]:
        """List what it is told."""
        return [
            m.PrepareActor.to(self._on_prepare_actor),
            m.ActorState.to(self._on_actor_state),
        ]

    # ---- to make one, and to end it ----

    def create(
        self,
        spec: m.ActorSpec,
        refs: list[ObjectRef],
        held: list[ObjectRef],
        answered: Reply[m.Refusal | Gone | None],
    ) -> ObjectRef:
        """Have an actor made when its inputs are there; return its anchor."""
        task = Task(
            id=spec.id,
            name=f"{spec.class_name}.__init__",
            function="__init__",
            blob=b"",
            args=b"",
            refs=refs,
            held=held,
            returns=1,
        )
        anchor = self._objects.new(spec.id + FIRST, task)
        if spec.owner is None:
            self._detached.append(anchor)
        self._objects.drain()  # who had the name may be gone by that
        self._ours[spec.id] = spec.class_name
        self._ask(self._head(), answered, m.CreateActor(spec))
        self.queue(spec.id)
        self._prepare(task, anchor)
        return anchor

    def _prepare(self, task: Task, anchor: ObjectRef) -> None:
        """Have an actor started when the arguments are there."""

        def start(task: Task) -> None:
            if isinstance(anchor.entry.value, m.Failed):  # so is an input
                queue = self.queue(task.id)
                queue.error = anchor.entry.value
                self._leases.dispatch(queue)
                self.end(task.id, True, "an argument of it is an error")
            else:
                anchor.entry.value = NONE
                deps = self._objects.inputs(task)
                self._head().post(m.StartActor(task.id, deps))

        self._tasks.when_ready(task, start)

    def _on_prepare_actor(self, peer: Peer, prepare: m.PrepareActor) -> None:
        id, number, place = prepare
        entry = self._objects.table.get(id + FIRST)
        if entry is None or entry.task is None:
            return  # no handle is left: it ends
        if number >= 0:
            argument = entry.task.refs[number].entry
            self._objects.missing(argument, place)
        self._prepare(entry.task, ObjectRef(entry))

    def unneeded(self, creation: Task) -> None:
        """End an actor of ours to which no handle is left anywhere."""
        if creation.function == "__init__" and creation.shape is None:
            self.end(creation.id, True, "no handle to it is left", False)

    def end(
        self, actor: bytes, no_restart: bool, why: str, at_once: bool = True
    ) -> None:
        """Have the control store end an actor."""
        end = m.EndActor(actor, no_restart, why, at_once)
        self._ask(self._head(), lambda _: None, end)

    # ---- its calls ----

    def queue(self, actor: bytes) -> Queue:
        """Return the queue of an actor; follow it from now on."""
        if actor not in self.queues:
            self.queues[actor] = Queue(0, None)
            self._hurry()
            self._head().post(m.Follow(actor))
        return self.queues[actor]

    def _on_actor_state(self, peer: Peer, told: m.ActorState) -> None:
        queue = self.queues.get(told.id)
        if queue is not None and not self._defer_until_read(queue, told):
            self._news[told.state](queue, told)

    def _defer_until_read(self, queue: Queue, told: m.ActorState) -> bool:
        """Keep the news of an end until the link has closed: rule 4.

        And what comes after such news; return whether it is kept.
        """
        for lease in queue.leases:
            is_over = told.worker is None or lease.on_link_closed
            if is_over and not lease.lost:
                lease.window.close()
                again = partial(self._on_actor_state, lease.peer, told)
                lease.on_link_closed.append(again)
                return True
        return False

    def _is_alive(self, queue: Queue, told: m.ActorState) -> None:
        assert told.worker is not None
        link = self._link(told.worker)
        if any(lease.peer is link for lease in queue.leases):
            return  # we were told before
        queue.gap = None
        for lease in [*queue.leases]:
            why, begun = told.why, ALL
            if lease.peer.data.address == told.worker:
                why = UNLINKED
                if lease.peer.handshake is not None:  # nothing was sent
                    begun = 0
            self._leases.end(lease, why, begun)
        window = Window(ALL)
        self._leases.add(Lease(queue, link, 0, node=None, window=window))

    def left(self, peer: Peer, why: str) -> None:
        """A process is gone, or the link to it: ask about an actor there."""
        for id, queue in self.queues.items():
            if any(lease.peer is peer for lease in queue.leases):
                self._later(AGAIN_S, partial(self._ask_again, id, peer))

    def _ask_again(self, id: bytes, peer: Peer) -> None:
        queue = self.queues.get(id)
        if queue and any(lease.peer is peer for lease in queue.leases):
            self._head().post(m.Follow(id))
            self._later(AGAIN_S, partial(self._ask_again, id, peer))

    def _restarts(self, queue: Queue, told: m.ActorState) -> None:
        if told.id in self._ours:
            how = told.why.partition("; its last output")[0]
            self._say(f"the actor {self._ours[told.id]} starts again: {how}")
        self._end_leases(queue, told.why)
        queue.gap = restarting(told.why)
        for task in [*queue.tasks]:
            if task.waits and task.is_impatient():
                self._tasks.finish(task, queue.gap)
        self._leases.dispatch(queue)

    def _is_dead(self, queue: Queue, told: m.ActorState) -> None:
        del self.queues[told.id]
        queue.error = m.Failed(told.error or b"")
        for task in [*self._tasks.live.values()]:
            if task.queue is queue and not task.ready:
                self._tasks.finish(task, queue.error)
        was_ours = self._ours.pop(told.id, None) is not None
        if was_ours and told.why == RAISED and not queue.tasks:
            self._objects.unhandled.say(queue.error)
        self._end_leases(queue, told.why)
        queue.gap = None
        self._leases.dispatch(queue)

    def _end_leases(self, queue: Queue, why: str) -> None:
        for lease in [*queue.leases]:
            self._leases.end(lease, why)
