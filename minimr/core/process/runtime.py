"""One process of a program: what driver and worker have in common.

    api ──> Values ─────────────────> Objects    what references stand for
            put, get, wait               ^
    api ──> Tasks ───────────────────────┤       inputs and results
              ^  enqueue                 │
              └── Leases <── Cancels     │       workers for tasks
                    ^                    │
    api ──> Actors ─┴────────────────────┘       workers that are actors

An arrow: knows it. What a part tells one that knows it, as `enqueue`, and
what it needs of the process, as `link` and `ask`, are functions that it is
given here. The pump says who reads the sockets.

Rule: state changes under `lock`; nothing is sent or awaited under it.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minimr.core import messages as m
from minimr.core import prints
from minimr.core.process import explain
from minimr.core.process.actor_calls import Actors
from minimr.core.process.cancels import Cancels
from minimr.core.process.get_put_wait import GRACE_S, Values
from minimr.core.process.history import ROW, History, is_kept
from minimr.core.process.leases import Leases
from minimr.core.process.ownership import Objects
from minimr.core.process.records import Entry, References, Task
from minimr.core.process.tasks import Tasks
from minimr.core.process.unhandled_errors import Unhandled
from minimr.core.serialization import as_failed
from minimr.exceptions import LocalRayletDiedError, RayError, RaySystemError
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import GONE, Gone, Question, R, Reply
from minimr.net.peer import Peer
from minimr.net.pump import Pump
from minimr.system import machine

SPIN_S = 0.0001  # before a wait sleeps
PATIENCE_S = 10.0  # a wait that takes longer may have to be explained
NODES_S = 1.0  # the explanation waits for what nodes have so long at most
ATTACH_TIMEOUT_S = 30
LAST_EVENTS_S = 5.0  # the timeline does for what has just run
LAST_PRINTS_S = 5.0  # a program that ends waits so long for the next of them

log = logging.getLogger(__name__)


class Running(NamedTuple):
    """What a thread or a coroutine of a worker is running."""

    task: bytes
    name: str
    attempt: int  # 0: the first


running: ContextVar[Running | None] = ContextVar("running", default=None)


@dataclass
class Duty:
    """What a worker is there for at the moment; a driver has none."""

    hold: m.Amounts = ()  # what its lease holds
    gpus: tuple[int | str, ...] = ()
    # Its placement group, as in `m.Grant`.
    group: tuple[str, bool] | None = None
    spec: m.ActorSpec | None = None  # of the actor that it is
    restarts: int = 0  # of that
    cancelled: set[bytes] = field(default_factory=set)  # tasks that run
    # End, after what is running: the actor; the worker of tasks.
    leave: Callable[[], None] = lambda: None
    retire: Callable[[], object] = lambda: None


class Runtime(Endpoint):
    """The part of a driver or a worker that talks to the cluster."""

    node: Peer
    welcome: m.Welcome
    job: m.Job
    env: m.Environment = ()  # of a worker
    history: History | None = None  # of our tasks; None: none is kept
    outlived = False  # by the cluster: it was there before us

    def __init__(self, kind: str, token: bytes, host: str) -> None:
        super().__init__(kind, token, (host, 0))
        self.urgent = False  # something was posted that should not wait
        self.shown = 0  # messages with prints
        self.forked = False  # this is a copy, in a child of its process
        self.lost: RayError | None = None  # why we are cut off, if we are
        self.duty = Duty()
        # A worker's task that waits gives its CPU back meanwhile, or not.
        self.blocked: Callable[[bool], AbstractContextManager[Any]]
        self.blocked = nullcontext
        self.at_end: Callable[[], None] = lambda: None  # after `close`
        self._counter = itertools.count(1)
        self._dead_nodes: set[Address] = set()
        self.pump = Pump(self._step, self.hub.wake)
        self._wire()
        self.serve(
            m.View.to(self._on_view),
            m.Print.to(self._on_print),
            m.NodeEnds.to(self._on_node_ends),
            m.Inspect.to(self._on_inspect),
        )

    def _wire(self) -> None:
        """Make the parts, and give each what it uses."""
        wake_up, link, ask = self.pump.nudge, self.link, self.ask
        self.history = History() if is_kept() else None
        self.references = References(self.address, wake_up)
        self.objects = Objects(
            self.references,
            Unhandled(self.say),
            links=self.links,
            link=link,
            ask=ask,
            in_turn=self.in_turn,
            resubmit=lambda task: self.tasks.submit(task),
            unneeded=self._unneeded,
        )
        self.tasks = Tasks(
            self.objects,
            links=self.links,
            say=self.say,
            history=self.history,
        )
        self.leases = Leases(
            self.tasks,
            link=link,
            ask=ask,
            later=self.later,
            head=self.head,
            home=lambda: self.home,
            job=lambda: self.job,
            hurry=self.hurry,
        )
        self.actors = Actors(
            self.tasks,
            self.leases,
            link=link,
            ask=ask,
            later=self.later,
            head=self.head,
            hurry=self.hurry,
            say=self.say,
        )
        self.cancels = Cancels(
            self.tasks, self.leases, link=link, later=self.later
        )
        self.values = Values(
            self.objects,
            lock=self.lock,
            node=lambda: self.node,
            ask=ask,
            call=self.call,
            wait_for=self.wait_for,
            flush=self.hub.flush,
            wake_up=wake_up,
            new_id=self.new_id,
            error=self.error,
        )
        for part in (
            self.objects, self.tasks, self.leases, self.actors, self.cancels
        ):  # fmt: skip
            self.serve(*part.handlers())
        self.left += [self.objects.left, self.leases.left, self.actors.left]

    def _unneeded(self, task: Task) -> None:
        """Nobody has a result of a task any more."""
        self.actors.unneeded(task)
        self.leases.tell_taken(task)

    def attach(self, address: Address) -> None:
        """Join a node. Blocks: until it has answered."""
        with self.lock:
            self.node = self.link(address)
        welcome = self.call(self.node, m.Attach(), ATTACH_TIMEOUT_S)
        if isinstance(welcome, m.Welcome):
            try:
                self.values.open(*welcome.arena)
            except FileNotFoundError:  # it has ended since
                welcome = GONE
        if isinstance(welcome, Gone) and self.kind == "worker":
            machine.leave(1)  # as when it is cut off later
        if not isinstance(welcome, m.Welcome):
            raise RaySystemError(f"the node did not take us: {welcome}")
        self.welcome = welcome

    def join(self, job: m.Job) -> None:
        """See modules and files as the driver of a job. Runs in: worker."""
        self.job = job._replace(env=self.env)  # for tasks that it submits
        own = os.environ.get("MINIMR_WORKING_DIR")
        sys.path[:] = [own, *job.sys_path] if own else job.sys_path
        if os.path.isdir(own or job.directory):
            os.chdir(own or job.directory)

    def head(self) -> Peer:
        """Return the link to the control store. Lock held."""
        return self.link(self.welcome.head)

    def _step(self, timeout_s: float | None) -> None:
        gone = self.references.released or self.values.unpinned
        if gone or self.objects.to_borrow:
            self.values.drain()
        if self.leases.resting:
            with self.lock:
                self.leases.give_back()
        # The background thread would take the interpreter from user code.
        self.hub.selector.spin_s = 0.0 if self.pump.in_background else SPIN_S
        self.step(timeout_s)

    def hurry(self) -> None:
        """Have sent at once what was posted: see `flush`."""
        self.urgent = True

    def flush(self) -> None:
        """Send what should not wait. Lock not held."""
        if self.urgent:
            self.urgent = False
            self.hub.flush()

    # ---- the end of the cluster ----

    def _lose(self, peer: Peer, why: str) -> None:
        self._check_ties(peer, why)
        super()._lose(peer, why)

    def _check_ties(self, peer: Peer, why: str) -> None:
        """Find out whether we are cut off without this peer."""
        attached = hasattr(self, "welcome")
        if attached and peer is self.node:
            self._cut_off("{}:{}".format(*peer.data.address), why)
        elif attached and peer.data.address == self.welcome.head:
            self._cut_off("{}:{}, the head,".format(*peer.data.address), why)

    def _on_node_ends(self, peer: Peer, end: m.NodeEnds) -> None:
        self._cut_off("{}:{}".format(*peer.data.address), end.why)

    def _cut_off(self, node: str, why: str) -> None:
        """Our node or the head is gone: what waits for them fails."""
        if self.kind == "worker":
            machine.leave(1)
        if self.lost:
            return
        self.lost = LocalRayletDiedError(
            f"the node at {node} is gone: {why}. All tasks, actors and "
            "objects of this program are lost. Call shutdown(), then init() "
            "again"
        )
        failed = as_failed(self.error())
        for task in [*self.tasks.live.values()]:
            self.tasks.finish(task, failed)
        for entry in [*self.objects.table.values()]:
            if entry.value is None:
                self.objects.fulfil(entry, failed)

    def error(self) -> RayError:
        """Say why we are cut off: a new error, for its traceback."""
        return type(self.lost)(*self.lost.args) if self.lost else RayError()

    def _on_view(self, peer: Peer, view: m.View) -> None:
        alive = {node.address for node in view.nodes if node.alive}
        known = [node.address for node in view.nodes]
        for address in [place for place in known if place not in alive]:
            if address not in self._dead_nodes and self.kind == "driver":
                text = "the node at {}:{} has died; what was there is lost"
                self.say(text.format(*address))
            self._dead_nodes.add(address)
            self.objects.node_lost(address)
            self.drop_node(address, "its node is dead")
            self.leases.node_lost(address)

    def _on_print(
        self, peer: Peer, print: m.Print, reply: Reply[None]
    ) -> None:
        if print.job == self.job.id:  # no driver's that had this port before
            for printed in print.parts:
                prints.show(printed)
            self.shown += 1
        reply(None)

    def _on_inspect(
        self, peer: Peer, question: m.Inspect, reply: Reply[Any]
    ) -> None:
        reply(self.inspect(question.what))

    def inspect(self, what: str) -> list[dict[str, Any]]:
        """Return a row for each thing of ours. Lock held.

        Args:
            what: "tasks", those that have not ended; "history", all that
                is remembered.
        """
        live = self.tasks.live.values()
        if what == "history" and self.history is not None:
            return self.history.rows(live)
        if what != "tasks":
            return []
        return explain.task_rows(live, self.actors.queues)

    def call(
        self,
        peer: Peer,
        question: Question[R],
        timeout_s: float | None = None,
    ) -> R | Gone:
        """Ask and wait. Blocks: until there is an answer, or time is up.

        Raises:
            LocalRayletDiedError: our node or the head is gone.
        """
        answers: list[R | Gone] = []
        with self.lock:
            self.ask(peer, answers.append, question)
        self.hub.flush()
        self.pump.wait(answers.__len__, timeout_s)
        with self.lock:  # if we are cut off, it is known
            if peer.closed:  # another thread is about to handle that
                self._check_ties(peer, "it hung up")
            if self.lost:
                raise self.error()
        return answers[0] if answers else Gone("it has not answered in time")

    def ask_head(self, question: Question[R]) -> R | Gone:
        """Ask the control store. Blocks: until it answers."""
        with self.lock:
            self.objects.drain()  # it hears first which actors are unneeded
            head = self.head()
        return self.call(head, question)

    def ask_nodes(
        self, question: Question[Any], timeout_s: float
    ) -> Callable[[], bool]:
        """Ask all living nodes. Blocks: until the head says which these are.

        Returns: what tells whether all have answered.
        """
        with self.lock:
            head = self.head()
        nodes = self.call(head, m.Query("nodes"), timeout_s)
        living = [n for n in nodes if n.alive] if type(nodes) is list else []
        answers: list[Any] = []
        with self.lock:
            for node in living:
                link = self.link(node.address)
                self.ask(link, answers.append, question)
        self.hub.flush()
        return lambda: len(answers) == len(living)

    def new_id(self) -> bytes:
        """Make an id: the process, and a counter."""
        return self.process + next(self._counter).to_bytes(6, "big")

    def wait_for(
        self,
        ready: Callable[[], object],
        timeout_s: float | None,
        entries: Sequence[Entry] = (),
        grace_s: float = GRACE_S,
        gives_cpu: bool = True,
    ) -> bool:
        """Wait, and give this task's CPU back if that takes long.

        Warns when it takes very long, and nothing happens.
        """
        self.hub.flush()
        if timeout_s is not None and timeout_s <= grace_s:
            return self.pump.wait(ready, timeout_s)
        if self.pump.wait(ready, grace_s):
            return True
        begin, patience = machine.monotonic(), PATIENCE_S
        until = math.inf if timeout_s is None else begin + timeout_s - grace_s
        with self.blocked(gives_cpu):
            while until > machine.monotonic() + patience:
                if self.pump.wait(ready, patience):
                    return True
                self._complain(entries, machine.monotonic() - begin)
                patience *= 2
            return self.pump.wait(ready, until - machine.monotonic())

    def _complain(self, entries: Sequence[Entry], waited_s: float) -> None:
        """Warn that a program waits while nothing of it runs."""
        with self.lock:
            leases = self.leases.by_peer.values()
            text, head = explain.stuck(entries, leases), self.head()
        if text is not None:
            nodes = self.call(head, m.Query("nodes"), NODES_S)
            free = explain.free(nodes if type(nodes) is list else [])
            what = "waited for %.0f s, and nothing of this program runs: %s."
            log.warning(f"{what} Free: %s", waited_s, text, free)

    def events(self) -> Any:
        """Return what has run by now. Blocks: until the head answers.

        A worker that does not answer, for its task holds the interpreter,
        is waited for a few seconds.
        """
        self._gather_events()
        return self.ask_head(m.Query("events"))

    def _gather_events(self) -> None:
        told = self.ask_nodes(m.TellEvents(), LAST_EVENTS_S)
        self.pump.wait(told, LAST_EVENTS_S)

    def leave_history(self) -> None:
        """Let the cluster keep what has run, for who looks later.

        Blocks: until the head has it, or a few seconds.
        """
        if self.history is None or not self.outlived:
            return
        with suppress(LocalRayletDiedError):  # nobody is there to look
            self._gather_events()
            with self.lock:
                blob = pickle.dumps(("", ROW, self.inspect("history")))
                head = self.head()
            self.call(head, m.Events(blob), LAST_EVENTS_S)

    def say(self, text: str) -> None:
        """Write a line for the user, as the prints of tasks are written."""
        if self.history is not None:
            self.history.said(text)
        if self.job.driver is not None:
            prints.say(f"minimr: {text}\n")

    def show_last_prints(self) -> None:
        """Show what workers have printed by now.

        Blocks: until that is shown, or nothing comes any more.
        """
        self.references.escaped.clear()  # nobody here unpickles them now
        with self.lock:
            self.objects.drain()
            self.objects.unhandled.at_the_end()
        if self.job.driver is not None:
            with suppress(LocalRayletDiedError):  # who would tell us?
                flush, seen = m.FlushPrints(self.job.id), -1
                all_shown = self.ask_nodes(flush, LAST_PRINTS_S)
                while seen != self.shown and not all_shown():
                    seen = self.shown
                    self.pump.wait(all_shown, LAST_PRINTS_S)

    def close(self) -> None:
        """Leave the cluster. Blocks: until the last message is sent."""
        self.hub.flush()
        self.pump.close()
        self.hub.close()
        self.objects.close()
        self.values.close()
        self.at_end()

    def leave_to_parent(self) -> None:
        """Be no part of the cluster. Runs in: a fork of this process.

        A connection that it kept open would hide the end of its parent.
        Locks may be held for ever here: none is taken.
        """
        self.forked = True
        self.lost = RaySystemError(
            f"process {machine.pid()} was forked by one that had called "
            "init(), and is no part of its cluster. Submit tasks there; or "
            "call shutdown() and init() here, to have a cluster of its own"
        )
        self.hub.abandon()
