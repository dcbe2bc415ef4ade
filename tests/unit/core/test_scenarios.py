"""What an owner does when this happens: the files in `scenarios`.

What follows is who is sent what, and which tasks have a result then.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.process import unhandled_errors
from minimr.core.process.actor_calls import RAISED
from minimr.core.process.records import (
    FIRST,
    ObjectRef,
    Task,
    object_id,
)
from minimr.core.process.unhandled_errors import CONSTRUCTOR
from minimr.core.process.window import ALL
from minimr.core.serialization import as_failed
from minimr.exceptions import ActorDiedError, RayTaskError
from minimr.system import machine
from tests.unit.core.owner import FAR, HEAD, NODE, Owner
from tests.unit.scenario import replay, scenarios

PLACES = {"node": NODE, "far": FAR, "head": HEAD}
NAMES = {place: name for name, place in PLACES.items()}
SHAPE = m.Shape((("CPU", 1.0),), None, ())
STRATEGIES = {
    "spread": ("SPREAD",),
    "in a group": ("group", "g", -1, False),
    "in its second bundle": ("group", "g", 1, False),
}


class Stream:
    """Takes what a generator yields."""

    taken = 0

    def arrived(self, number: int) -> None:
        """An item is there."""

    def ended(self, end: Any) -> Any:
        return end


class Player:
    """Plays one scenario: each method is a kind of line."""

    def __init__(self) -> None:
        self.owner = Owner()
        self.refs: dict[str, ObjectRef] = {}  # results of tasks, by name
        self.known: set[str] = set()  # whose result was told
        self.anchor: ObjectRef | None = None
        self.streams: dict[str, Stream] = {}  # {generator: who takes items}

    # ---- what happens ----

    def submit(self, names: str, *how: str) -> None:
        """Submit tasks."""
        strategy = next((STRATEGIES[x] for x in how if x in STRATEGIES), None)
        for name in names.split():
            refs = [self.refs[x[6:]] for x in how if x.startswith("after ")]
            if "large input far" in how:
                refs.append(self.owner.table.new(name.encode() * 14, None))
                refs[-1].entry.value = m.Stored(1 << 24, [FAR], ())
            task = Task(
                id=name.encode() * 14,
                name=name,
                function=b"f",
                blob=b"code" if "with code" in how else b"",
                args=b"",
                refs=refs,
                held=[],
                returns=-2 if "one ahead" in how else 1,
                shape=SHAPE._replace(strategy=strategy),
                retries=int("retry" in how),
                retry_exceptions="retry" in how,
                parent=next(
                    (x[-1:].encode() for x in how if x[:5] == "child"), None
                ),
            )
            if task.returns < 0:
                self.streams[name] = Stream()
                task.stream = partial(self.streams.get, name)
            self._submit(name, task)

    def took(self, name: str, *how: str) -> None:
        """The program has taken an item of a generator."""
        self.streams[name].taken += 1
        task = self.owner.tasks.live[self._id(name)]
        self.owner.leases.tell_taken(task)

    def call(self, names: str, *how: str) -> None:
        """Call a method of the actor."""
        queue = self.owner.actors.queue(b"A" * 14)
        queue.ordered = "any order" not in how
        for name in names.split():
            refs = [self.refs[x[6:]] for x in how if x.startswith("after ")]
            about = (name.encode() * 14, name, "method", b"", b"", refs, [], 1)
            retries = int("retry" in how)
            self._submit(name, Task(*about, queue=queue, retries=retries))

    def _submit(self, name: str, task: Task) -> None:
        self.refs[name] = self.owner.table.new(task.id + FIRST, task)
        self.owner.tasks.submit(task)

    def leased(self, worker: str, *how: str) -> None:
        """Our node, or another one, gives a worker."""
        grant = m.Grant(int(worker[1:]), (worker, 0), (), "wanted" in how)
        node = FAR if "far" in how else NODE
        self.owner.link(grant.worker).data.home = node
        leased = m.Leased(self._number(how), grant)
        self.owner.leases._on_leased(self.owner.link(node), leased)

    def refused(self, why: str, *how: str) -> None:
        """A node has no worker for us."""
        to = FAR if why == "try far" else None
        refused = m.Refused(self._number(how), to, why)
        self.owner.leases._on_refused(self.owner.node, refused)

    def _number(self, how: Any) -> int:
        return next((int(x[6:]) for x in how if x.startswith("queue ")), 0)

    def group(self, where: str) -> None:
        """The control store tells where the bundles of a group are."""
        removed = where == "removed"
        places = [] if removed else [PLACES[name] for name in where.split()]
        gone = m.Refusal("it was removed")
        self.owner.answer(m.AwaitGroup, gone if removed else places)

    def reclaim(self, _: str, *how: str) -> None:
        """Our node, or another one, has others who wait."""
        node = self.owner.link(FAR if "far" in how else NODE)
        self.owner.leases._on_reclaim(node, m.Reclaim("busy ones" in how))

    def done(self, names: str, *how: str) -> None:
        """A worker has run tasks."""
        for name in names.split():
            done = m.Done(self._id(name), self._value(how))
            self.owner.leases._on_done(self._worker(name), done)

    def _value(self, how: Any) -> m.Value:
        for place in ("far", "node"):
            if f"large {place}" in how:
                return m.Stored(1 << 24, [PLACES[place]], ())
        return b"N."

    def raises(self, name: str, *how: str) -> None:
        """A task has raised."""
        error = as_failed(RayTaskError(name, "Traceback", ValueError()))
        done = m.Done(self._id(name), error)
        self.owner.leases._on_done(self._worker(name), done)

    def returned(self, names: str, *how: str) -> None:
        """A worker gives tasks back that have not begun."""
        if names.startswith("nothing from "):
            peer, names = self.owner.link((names[13:], 0)), ""
        else:
            peer = self._worker(names[0])
        returned = m.Returned([self._id(name) for name in names.split()])
        self.owner.leases._on_returned(peer, returned)

    def unready(self, name: str, *how: str) -> None:
        """An argument of a task is not where it should be."""
        unready = m.Unready(self._id(name), 0, FAR)
        self.owner.leases._on_unready(self._worker(name), unready)

    def yielded(self, name: str, *how: str) -> None:
        """A generator has yielded an item: the first, or a later one."""
        number = next((int(x[5:]) for x in how if x[:4] == "item"), 1)
        if f"{name}{number}" not in self.refs:
            id, task = object_id(self._id(name), number), self._task(name)
            self.refs[f"{name}{number}"] = self.owner.table.new(id, task)
        yielded = m.Yielded(self._id(name), number, self._value(how))
        self.owner.tasks._on_yielded(self._worker(name), yielded)

    def died(self, worker: str, *how: str) -> None:
        """A node tells that a worker has died, which had begun tasks."""
        begun = next(int(x[6:]) for x in how if x.startswith("begun "))
        died = m.Died(int(worker[1:]), "killed", begun)
        node = self.owner.link(self.owner.link((worker, 0)).data.home)
        self.owner.leases._on_died(node, died)

    def hangs(self, who: str, *how: str) -> None:
        """A link has closed: `hangs up: WHO`, or in the handshake."""
        place = PLACES.get(who, (who, 0))
        peer = self.owner.link(place)
        if "in the handshake" in how:
            peer.handshake = how
        if "lives" in how:
            del self.owner.links[place]  # a new one is dialled
        self.owner.leases.left(peer, "it hung up")
        self.owner.actors.left(peer, "it hung up")
        self.owner.table.left(peer, "it hung up")

    def lost(self, place: str, *how: str) -> None:
        """A node is dead: `lost: far`."""
        self.owner.table.node_lost(PLACES[place])
        self.owner.leases.node_lost(PLACES[place])

    def cancel(self, name: str, *how: str) -> None:
        """The program cancels a task."""
        self.owner.cancels.cancel(self._task(name), "force" in how, True)

    def children(self, parent: str, *how: str) -> None:
        """A task of this worker is cancelled, with what it has submitted."""
        self.owner.cancels.cancel_children(parent.encode(), False)

    def drop(self, names: str, *how: str) -> None:
        """The program has no reference to a result any more."""
        for name in names.split():
            del self.refs[name]
            self.streams.pop(name, None)

    def waits(self, _: str, *how: str) -> None:
        """A task of this worker waits, or goes on: `waits` and `goes on`."""
        self.owner.leases.waits = True

    def goes(self, _: str, *how: str) -> None:
        """A task of this worker goes on."""
        self.owner.leases.waits = False
        self.owner.leases.give_back()

    def after(self, time: str, *how: str) -> None:
        """Time passes: `after: 200 ms`."""
        self.owner.wait(float(time.split()[0]) / 1000)

    def actor(self, state: str, *how: str) -> None:
        """The control store tells of the actor."""
        why = next((x for x in how if x not in ("w1", "w2")), "")
        worker = next(((x, 0) for x in how if x in ("w1", "w2")), None)
        text = CONSTRUCTOR if why == RAISED else why
        error = (
            as_failed(ActorDiedError(text)).error if state == "DEAD" else None
        )
        if worker is not None:
            self.owner.link(worker).data.home = NODE
        told = m.ActorState(b"A" * 14, state, worker, why, error)
        self.owner.actors._on_actor_state(self.owner.head(), told)

    def create(self, class_name: str, *how: str) -> None:
        """The program makes the actor."""
        spec: Any = actor_spec(class_name)
        if "detached" in how:
            spec = spec._replace(owner=None)
        refs = [self.refs[x[6:]] for x in how if x.startswith("after ")]
        create = self.owner.actors.create
        self.anchor = create(spec, refs, [], lambda answer: None)

    def prepare(self, _: str, *how: str) -> None:
        """The actor starts again: are its arguments there?"""
        lost = 0 if "argument lost" in how else -1
        prepare = m.PrepareActor(b"A" * 14, lost, FAR)
        self.owner.actors._on_prepare_actor(self.owner.head(), prepare)

    def forget(self, _: str, *how: str) -> None:
        """No handle to the actor is left here."""
        self.anchor = None

    # ---- what it leads to ----

    def _id(self, name: str) -> bytes:
        return name.encode() * 14

    def _task(self, name: str) -> Task:
        task = self.refs[name].entry.task
        assert task is not None
        return task

    def _worker(self, name: str) -> Any:
        for lease in self.owner.leases.by_peer.values():
            if self._id(name) in lease.inflight:
                return lease.peer
        raise AssertionError(f"no worker has {name}")

    def happens(self, line: str) -> list[str]:
        """Make a line happen; return what follows."""
        self.owner.log.clear()
        self.owner.said.clear()
        words, _, rest = line.partition(": ")
        first, *how = re.split(r", ", rest)
        getattr(self, words.split()[0])(first, *how)
        for _ in range(2):  # as each step does
            self.owner.table.drain()
        told = [
            f"{NAMES.get(address, address[0])}: {show(message)}"
            for address, message in self.owner.log
        ]
        return told + self.owner.said + [*self._results()]

    def _results(self) -> Iterator[str]:
        for name, ref in self.refs.items():
            value = ref.entry.value
            if value is None:
                self.known.discard(name)
            elif name not in self.known:
                self.known.add(name)
                yield f"{name} = {result(value)}"


def actor_spec(class_name: str) -> Any:
    """Make what it takes to start the actor."""
    place = m.Shape((), None, ())
    about = (b"A" * 14, class_name, b"", b"", (), place, (), None, "", 0, 0)
    job = m.Job("job", (), "", "", ())
    return m.ActorSpec(*about, 1, False, {}, job, ("127.0.0.1", 0), -1)


def result(value: m.Value) -> str:
    """Write a value as a scenario does."""
    if isinstance(value, m.Failed):
        return type(pickle.loads(value.error)).__name__
    if isinstance(value, m.Stored):
        return " ".join(["stored", *(NAMES[place] for place in value.places)])
    return "done"


def show(message: Any) -> str:
    """Write a message as a scenario does."""
    kind = type(message).__name__
    match message:
        case m.Push(id=id, blob=blob):
            return f"{kind} {chr(id[0])}" + (" and its code" if blob else "")
        case m.Cancel(id=id):
            return f"{kind} {chr(id[0])}"
        case m.Demand(workers=workers, hops=hops, answers=answers):
            chosen = ", chosen" if hops else ""
            after = f", answers {answers}" if answers else ""
            return f"{kind} {workers}{chosen}{after}"
        case m.Release(lease=lease, why=why):
            return f"{kind} w{lease}" + (f", {why}" if why else "")
        case m.Taken(items=items):
            return f"{kind} {'all' if items == ALL else items}"
        case m.Free(ids=ids):
            return " ".join([kind, *(chr(id[0]) for id in ids)])
        case m.EndActor(why=why):
            return f"{kind}, {why}"
    return kind


@pytest.mark.parametrize(
    "scenario",
    [
        each
        for file in ("actors", "leases", "tasks")
        for each in scenarios(f"core/scenarios/{file}.txt")
    ],
)
def test_scenario(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player()
    monkeypatch.setattr(machine, "monotonic", lambda: player.owner.now)
    monkeypatch.delenv(unhandled_errors.IGNORE, raising=False)
    assert replay(scenario, player) == scenario
