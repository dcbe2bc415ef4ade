"""One object, its owner, and two processes that borrow it.

    owner ── argument ──> a ── argument ──> b      who sends keeps its own,
      ▲ <──── done ─────── │ <── done ───── │      until the task has ended
      └── Borrow, Unborrow ┴────────────────┘

Each may pass its reference on, as an argument or as a result, may drop it,
and the borrowers may die. What is real is `Objects`, one in each process;
messages arrive in the order of their link, and at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from itertools import count, permutations
from types import SimpleNamespace
from typing import Any

from minimr.core import messages as m
from minimr.core.process.ownership import Objects
from minimr.core.process.records import ObjectRef, References
from minimr.core.process.unhandled_errors import Unhandled
from minimr.net.messages import GONE
from minimr.simulation.exhaust.search import Model, Step, must

OWNER, BORROWERS = "owner", ("a", "b")
STORE = ("store", 0)  # a node, which has the value
OBJECT = b"object"


class Link:
    """The way from one process to another: `Peer`, as far as it is used."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.queue: deque[tuple[Any, ...]] = deque()  # (what, ...)
        self.gone = False
        address = (target, 0)
        self.data = SimpleNamespace(process=target.encode(), address=address)

    def post(self, message: Any) -> None:
        """Send a message."""
        self.queue.append(("message", message))


class Process:
    """One of the three.

    Attributes:
        handles: references that the program has.
        kept: {(task, process that runs it): our reference among its inputs}.
        runs: {task: who has sent it}.
        excused: it may have a reference that a dead process has sent, and
            that nobody keeps for it.
    """

    def __init__(self, name: str, others: list[str]) -> None:
        self.name = name
        self.links: dict[Any, Any] = {(n, 0): Link(n) for n in others}
        self.links[STORE] = Link("store")
        self.asked: dict[int, tuple[str, Any]] = {}
        self.handles: list[ObjectRef] = []
        self.kept: dict[tuple[int, str], ObjectRef] = {}
        self.runs: dict[int, str] = {}
        self.alive, self.excused = True, False
        self._numbers = count()
        nothing: Any = lambda *_: None  # noqa: E731
        self.objects = Objects(
            References((name, 0)),
            Unhandled(nothing),
            links=self.links,
            link=self.links.__getitem__,
            ask=self.ask,
            in_turn=_now,
            resubmit=nothing,
            unneeded=nothing,
        )
        self.handlers = {h.kind: h.call for h in self.objects.handlers()}

    def ask(self, link: Any, callback: Any, question: Any) -> None:
        """Ask another process, unless it is known to be gone."""
        if link.gone:
            callback(GONE)
            return
        number = next(self._numbers)
        self.asked[number] = (link.target, callback)
        link.queue.append(("ask", question, number))

    def to(self, other: str) -> Any:
        """Return the link to another process."""
        return self.links[other, 0]

    def gone(self, other: str) -> None:
        """Hear of the end of another process."""
        self.to(other).gone = True
        for number, (asked, callback) in list(self.asked.items()):
            if asked == other:
                del self.asked[number]
                callback(GONE)
        self.objects.left(self.to(other), "it is dead")
        for key in [key for key in self.kept if key[1] == other]:
            del self.kept[key]
        self.objects.drain()

    def state(self) -> Hashable:
        """Return all that makes a difference."""
        objects, entry = self.objects, self.objects.table.get(OBJECT)
        order = {n: i for i, n in enumerate(sorted(objects.registering))}
        return (
            self.alive,
            self.excused,
            len(self.handles),
            tuple(sorted(self.kept)),
            tuple(sorted(self.runs.items())),
            tuple(objects.to_borrow),
            tuple(
                (tuple(sorted(order[n] for n in numbers)), _what(function))
                for numbers, function in objects._after
            ),
            entry is not None
            and (
                entry.handles,
                type(entry.value).__name__,
                tuple(sorted(entry.borrowers or ())),
                entry.asked,
            ),
            tuple(
                tuple(map(_plain, link.queue)) for link in self.links.values()
            ),
        )


def _now(*calls: Callable[[], None]) -> None:
    for call in calls:
        call()


def _what(function: Any) -> Hashable:
    given = function.args
    return tuple(each for each in given if isinstance(each, (int, str, bool)))


def _plain(sent: tuple[Any, ...]) -> Hashable:
    what, *rest = sent
    if what in ("message", "ask"):
        return what, type(rest[0]).__name__
    return tuple(each for each in sent if isinstance(each, (int, str, bool)))


class ReferencesModel(Model):
    """The three, and what they have sent to each other."""

    def __init__(self, passes: int = 4, deaths: int = 1) -> None:
        names = [OWNER, *BORROWERS]
        self.all = {
            name: Process(name, [n for n in names if n != name])
            for name in names
        }
        self.left, self.deaths = passes, deaths
        self.tasks = count()
        owner = self.all[OWNER]
        owner.handles.append(owner.objects.new(OBJECT, None))
        value = m.Stored(1, [STORE], ())
        owner.objects.fulfil(owner.handles[0].entry, value)

    def steps(self) -> list[Step]:
        """Return what the three, and their links, may do."""
        steps: list[Step] = []
        for process in self._living():
            name = process.name
            others = [p.name for p in self._living() if p is not process]
            if process.handles:
                if self.left:
                    steps += [("passes", name, other) for other in others]
                steps.append(("drops", name))
            for task in process.runs:
                steps.append(("ends", name, task, False))
                if process.handles and self.left:
                    steps.append(("ends", name, task, True))
            if self.deaths and name != OWNER:
                steps.append(("dies", name))
        return steps + [("arrives", *pair) for pair in self._under_way()]

    def state(self) -> Hashable:
        """Return the three, and what may still be done."""
        each = (process.state() for process in self.all.values())
        return (*each, self.left, self.deaths)

    def passes(self, name: str, other: str) -> None:
        """Let a process send its reference as an argument."""
        self.left -= 1
        process, task = self.all[name], next(self.tasks)
        ref = ObjectRef(process.handles[-1].entry)
        process.kept[task, other] = ref
        sent = process.objects.to_wire(ref)
        process.to(other).queue.append(("argument", task, sent))

    def ends(self, name: str, task: int, carries: bool) -> None:
        """Let a task end; its result may be the reference."""
        process = self.all[name]
        sender, refs = process.runs.pop(task), []
        if carries:
            self.left -= 1
            refs.append(ObjectRef(process.handles[-1].entry))
        send = partial(self._send_done, name, sender, task, refs, carries)
        process.objects.when_registered(send)

    def _send_done(
        self,
        name: str,
        sender: str,
        task: int,
        refs: list[ObjectRef],
        carries: bool,
    ) -> None:
        process = self.all[name]
        sent = process.objects.to_wire(refs[0]) if carries else None
        process.to(sender).queue.append(("done", task, carries, sent))
        if carries:  # kept by the question until it is answered
            link = process.to(sender)
            process.ask(link, lambda _: refs.clear(), m.Register())

    def drops(self, name: str) -> None:
        """Let a program drop a reference."""
        process = self.all[name]
        process.handles.pop()
        process.objects.drain()

    def dies(self, name: str) -> None:
        """Let a borrower die: others hear of it after all that it said."""
        self.deaths -= 1
        dead = self.all[name]
        dead.alive = False
        for process in self._living():
            said, objects = dead.to(process.name).queue, process.objects
            sent = {what for what, *_ in said} & {"argument", "done"}
            if sent or objects.registering or objects.to_borrow:
                process.excused = True
            said.append(("left",))

    def arrives(self, source: str, target: str) -> None:
        """Let the next message of a link arrive."""
        process = self.all[target]
        what, *rest = self.all[source].to(target).queue.popleft()
        getattr(self, f"_{what}_arrives")(process, process.to(source), *rest)
        process.objects.drain()

    def _argument_arrives(
        self, process: Process, peer: Any, task: int, name: m.Name
    ) -> None:
        process.runs[task] = peer.target
        self._take_over_excuse(process, peer)
        process.handles.append(process.objects.ref(*name))

    def _done_arrives(
        self,
        process: Process,
        peer: Any,
        task: int,
        carries: bool,
        name: m.Name,
    ) -> None:
        if carries:
            self._take_over_excuse(process, peer)
            process.handles.append(process.objects.ref(*name))
        process.kept.pop((task, peer.target), None)

    def _take_over_excuse(self, process: Process, peer: Any) -> None:
        process.excused = process.excused or self.all[peer.target].excused

    def _message_arrives(
        self, process: Process, peer: Any, message: Any
    ) -> None:
        process.handlers[type(message)](peer, message)

    def _ask_arrives(
        self, process: Process, peer: Any, question: Any, number: int
    ) -> None:
        def reply(answer: Any) -> None:
            peer.queue.append(("answer", number, answer))

        process.handlers[type(question)](peer, question, reply)

    def _answer_arrives(
        self, process: Process, peer: Any, number: int, answer: Any
    ) -> None:
        if number in process.asked:
            process.asked.pop(number)[1](answer)

    def _left_arrives(self, process: Process, peer: Any) -> None:
        process.gone(peer.target)

    def check(self) -> None:
        """Check that whoever has a reference has an object."""
        owned = self.all[OWNER].objects.table.get(OBJECT)
        # A reference that came back too late stands there for an error.
        there = owned is not None and isinstance(owned.value, m.Stored)
        for process in self._living():
            entry = process.objects.table.get(OBJECT)
            has_it = entry is not None and entry.handles > 0
            must(
                there or not has_it or process.excused,
                "an object with a reference is never freed",
            )
        freed = len(self.all[OWNER].links[STORE].queue)
        must(freed == (not there), "what is freed is freed once")

    def settle(self) -> None:
        """Let all be read, and then be dropped: nothing is left."""
        self._arrive_all()
        self.check()
        for process in self._living():
            for entry in [ref.entry for ref in process.handles]:
                process.objects.want(entry)
        self._arrive_all()
        for process in self._living():
            for entry in [ref.entry for ref in process.handles]:
                found = isinstance(entry.value, m.Stored)
                must(found or process.excused, "a reference can be read")
        for process in self._living():
            for task in list(process.runs):
                self.ends(process.name, task, False)
            while process.handles:
                self.drops(process.name)
        self._arrive_all()
        for process in self._living():
            objects = process.objects
            left = (objects.table, objects.to_borrow, objects.registering)
            must(not any(left), "an object without a reference is freed")
            waits = (process.asked, process.kept, process.runs, objects._after)
            must(not any(waits), "at rest every table is empty")
        self.check()

    def _living(self) -> list[Process]:
        return [process for process in self.all.values() if process.alive]

    def _under_way(self) -> list[tuple[str, str]]:
        return [
            (source, target)
            for source, target in permutations(self.all, 2)
            if self.all[target].alive and self.all[source].to(target).queue
        ]

    def _arrive_all(self) -> None:
        while pairs := self._under_way():
            for pair in pairs:
                self.arrives(*pair)
