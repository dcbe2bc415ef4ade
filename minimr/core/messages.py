"""All messages between processes, and their parts.

    owner ── Push ──> worker ── Done ──> owner

Each message is a type, and so is each question: `Question[Value]` is answered
with a Value. They are grouped by sender and receiver; an "owner" is a driver
or a worker that has submitted tasks. Blobs stay pickled until user code needs
them: a node never unpickles a user's objects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pickle import PickleBuffer
from typing import Any, NamedTuple

from minimr.core.prints import Printed
from minimr.net.channel import Address
from minimr.net.codec import Buffer
from minimr.net.messages import Message, Question

ENDING_S = 3.0  # that a worker may take to end; then it is killed
# Why an owner returns a lease whose worker does not answer. The worker may
# have died by itself before.
LOST = "its owner has lost it"

# In memory that a worker shares with its node: its lease, the number of tasks
# that it has begun in that lease, and the name of the last one.
PROGRESS = struct.Struct("QQ64s")

# A resource that a bundle of a placement group has plenty of, and that each
# task in it asks for. So a task that asks for nothing else runs there, too.
BUNDLE, BUNDLE_AMOUNT, BUNDLE_SHARE = "bundle", 1000.0, 0.001

Resources = dict[str, float]
Amounts = tuple[tuple[str, float], ...]
Environment = tuple[tuple[str, str], ...]
Labels = dict[str, str]
# Conditions on the labels of a node: (key, whether it is negated, values).
Wishes = tuple[tuple[str, bool, tuple[str, ...]], ...]
Name = tuple[bytes, Address]  # a reference on its way: its id, its owner
# An event for the timeline and for `list`: "task", "actor", "wait", "object";
# its id, a name, whether it succeeded; when it began, when a task had its
# arguments, when its call had returned, when it ended. None: never, or raised.
Event = tuple[str, bytes, str, bool, float, float | None, float | None, float]
EVENT_FIELDS = 8


class Shape(NamedTuple):
    """What a worker must have. Leases of one shape are interchangeable."""

    resources: Amounts
    # ("SPREAD",), ("node", id, soft), ("group", id, bundle or -1, captures)
    strategy: tuple[Any, ...] | None
    env: Environment
    labels: Wishes = ()


class Job(NamedTuple):
    """What the workers of one driver have in common."""

    id: str
    sys_path: tuple[str, ...]
    directory: str
    namespace: str
    env: Environment
    driver: Address | None = None  # shows what is printed; None: nobody


class Welcome(NamedTuple):
    """The node that a process belongs to."""

    node: str
    head: Address
    arena: tuple[int, int, int]  # process id, file descriptor, bytes


class NodeInfo(NamedTuple):
    """What the cluster knows of a node."""

    id: str
    address: Address
    total: Resources
    available: Resources
    pid: int
    alive: bool
    labels: Labels = {}  # noqa: RUF012  # nobody changes it


class Grant(NamedTuple):
    """A worker that is leased."""

    lease: int  # its number at its node
    worker: Address
    gpus: tuple[int, ...]
    wanted: bool  # others wait: return it as soon as it is idle
    # Its placement group: the id, and whether nested tasks are in it, too.
    group: tuple[str, bool] | None = None


class ActorSpec(NamedTuple):
    """All that starting an actor needs, the first time and again."""

    id: bytes
    class_name: str
    blob: bytes  # the pickled class
    args: bytes | Inline
    deps: tuple[tuple[Name, Value], ...]
    place: Shape  # for its placement
    hold: Amounts  # while it lives
    name: str | None
    namespace: str
    max_restarts: int
    max_task_retries: int
    concurrency: int
    is_async: bool
    methods: dict[str, tuple[str | None, dict[str, Any]]]
    job: Job
    owner: Address | None  # None: detached
    max_pending_calls: int
    groups: tuple[tuple[str, int], ...] = ()  # of concurrency: (name, calls)


class Call(NamedTuple):
    """A method in another concurrency group than its own."""

    method: str
    group: str


class GroupSpec(NamedTuple):
    """A placement group, as the user asked for it."""

    id: str
    name: str
    namespace: str
    bundles: tuple[Amounts, ...]
    strategy: str  # PACK, SPREAD, STRICT_PACK, STRICT_SPREAD
    detached: bool


class Inline(NamedTuple):
    """A small value, sent as it is. Plain `bytes`: without the other two."""

    data: bytes
    buffers: tuple[bytes, ...]
    refs: tuple[Name, ...]  # references that the value contains


class Stored(NamedTuple):
    """A large value in the object stores of some nodes."""

    size: int
    places: list[Address]  # nodes that have a copy
    refs: tuple[Name, ...]


class OnDisk(NamedTuple):
    """The place of an object on disk: its node's memory had no room."""

    descriptor: int  # of the node's process: a file without a name


class Missing(NamedTuple):
    """An object is not where it was looked for."""

    place: Address


class StoreFull(NamedTuple):
    """A node has no room for an object, in memory or on disk."""

    why: str


class Failed:
    """A pickled exception, in place of a value.

    In one process, all objects with the same error share one instance.
    """

    __slots__ = ("error", "seen")

    def __init__(self, error: bytes) -> None:
        self.error = error
        self.seen = False  # it need not be reported any more

    def __reduce__(self) -> tuple[type[Failed], tuple[bytes]]:
        return Failed, (self.error,)


Value = bytes | Inline | Stored | Failed
Place = int | OnDisk  # of an object in the store: where it begins, or a file


class ConstructorRaised(NamedTuple):
    """There is no actor: this is why."""

    error: bytes  # pickled


class ArgumentLost(NamedTuple):
    """There is no actor: an argument of its constructor has no copy."""

    number: int
    place: Address | None  # where there should be one


Started = ConstructorRaised | ArgumentLost | None


class Refusal(NamedTuple):
    """What was asked for cannot be."""

    why: str


# ---- owner -> worker ----


class Granted(Message):
    """You are leased to me. It comes before the first push of a lease."""

    grant: Grant
    hold: Amounts  # what the lease holds
    job: Job


class Push(Message):
    """Run this task, or this method of the actor that you are."""

    id: bytes
    function: bytes | str | Call  # the key of a function, or a method
    blob: bytes | None  # the pickled function, when the key is new to you
    args: bytes | Inline
    deps: tuple[tuple[Name, Value], ...]  # arguments that were references
    returns: int  # how many results; negative: a generator
    name: str
    attempt: int  # 0: the first


class Taken(Message):
    """This many items of a generator were taken: it may continue."""

    id: bytes
    items: int


class Cancel(Message):
    """Stop a task that I have pushed to you."""

    id: bytes
    force: bool  # end the process
    recursive: bool  # cancel all that it has submitted, too


class Steal(Message):
    """Another worker is idle: return half of what has not begun, if any."""


class Become(Question[Started]):
    """Be an actor: call its constructor. None: it has ended well."""

    spec: ActorSpec
    restarts: int


# ---- worker -> owner ----


class Done(Message):
    """A task has ended."""

    id: bytes
    results: Value | list[Value]  # a value alone: of one result, or of all


class Yielded(Message):
    """A generator has one more item."""

    id: bytes
    number: int
    value: Value


class Register(Question[None]):
    """I have sent you references: answer when you have borrowed them."""


class Returned(Message):
    """These have not begun: run them elsewhere."""

    ids: list[bytes]


class Unready(Message):
    """An argument of a task is not at that place."""

    id: bytes
    number: int  # of the argument
    place: Address | None


# ---- reader -> owner ----


class Locate(Question[Value]):
    """What is the value of your object? It is not at that place."""

    id: bytes
    place: Address | None


class Borrow(Question[None]):
    """I have references to these: keep them."""

    ids: list[bytes]


class Unborrow(Message):
    """I have no reference to these any more."""

    ids: list[bytes]


class Abort(Message):
    """Cancel your task: I have a reference to its result."""

    id: bytes
    force: bool
    recursive: bool


# ---- owner, or the control store for an actor -> node ----


class Demand(Message):
    """I can use this many workers of a shape, those before included."""

    number: int  # their own, of what it is for
    shape: Shape
    hold: Amounts | None  # by an actor while it lives; None: by tasks
    job: str
    workers: int
    hops: int  # 1: this node was chosen for it, by another or for its data
    answers: int = 0  # of that node that have come; others are on the way
    driver: Address | None = None  # of the job, to show what is printed


class Release(Message):
    """A lease is over; with a reason: its worker ends."""

    lease: int
    why: str
    at_once: bool = False  # it is killed


# ---- node -> owner, or the control store ----


class Leased(Message):
    """A worker is yours."""

    number: int  # of the demand
    grant: Grant


class Refused(Message):
    """Ask that node for the worker; None: no node will ever have one."""

    number: int
    node: Address | None
    why: str


class Reclaim(Message):
    """Others wait: return idle leases."""

    busy: bool  # the others, too, when their tasks are done


class Died(Message):
    """The worker of a lease is gone."""

    lease: int
    why: str
    begun: int  # tasks of this lease


# ---- process -> node ----


class Attach(Question[Welcome]):
    """I belong to you."""


class Blocked(Message):
    """The task of this worker waits, or goes on."""

    waits: bool


class Inspect(Question[list[dict[str, Any]]]):
    """Return rows: a node of workers or objects, an owner of tasks."""

    what: str


class FlushPrints(Question[None]):
    """Answer when all prints until now of a job's workers are shown."""

    job: str


class TellEvents(Question[None]):
    """Answer when the control store has your events; nodes ask workers."""


# ---- node -> worker, control store -> node ----


class Stop(Message):
    """End."""

    why: str


# ---- node -> driver ----


class Print(Question[None]):
    """Show what workers have printed."""

    job: str
    parts: Sequence[Printed]


class NodeEnds(Message):
    """The node that you belong to ends, or the head does."""

    why: str


# ---- process -> node: the object store ----


class Create(Question[Place | StoreFull]):
    """Make room for an object."""

    id: bytes
    size: int
    owner: Address


class Seal(Message):
    """I have written the object."""

    id: bytes


class Fetch(Question[Place | Missing | StoreFull]):
    """Bring an object to your store, and keep it while I read it."""

    id: bytes
    size: int
    places: list[Address]
    owner: Address


class Unpin(Message):
    """Nobody in this process reads these any more."""

    ids: list[bytes]


class Free(Message):
    """Nobody can reach these any more."""

    ids: list[bytes]


# ---- node -> node, node -> owner ----


class Pull(Question[PickleBuffer | Buffer | None]):
    """Return a part of an object: its bytes, or None if it is not there."""

    id: bytes
    begin: int
    end: int


class Copied(Message):
    """That node has your object, too."""

    id: bytes
    place: Address


# ---- node -> control store, and back ----


class Report(Message):
    """I live, and have this."""

    info: NodeInfo
    # CPUs in use since a second, and bytes of memory; None: not measured.
    used: tuple[float, int] | None = None


class View(Message):
    """All nodes; a node tells its processes when one has died."""

    nodes: list[NodeInfo]


class Reserve(Question[bool]):
    """Set resources aside for bundles: (index, amounts)."""

    group: str
    bundles: list[tuple[int, Amounts]]


class Unreserve(Message):
    """Free the bundles of a group, and end what uses them."""

    group: str


# ---- anybody -> control store, and back ----


class CreateActor(Question[Refusal | None]):
    """An actor has handles from now on, unless its name is taken."""

    spec: ActorSpec


class StartActor(Message):
    """The arguments of its constructor are there."""

    id: bytes
    deps: tuple[tuple[Name, Value], ...]


class PrepareActor(Message):
    """Your actor starts again: provide its arguments. One may be lost."""

    id: bytes
    number: int  # of the lost argument; -1: none
    place: Address | None


class FindActor(Question[ActorSpec | None]):
    """Which actor has this name?"""

    name: str
    namespace: str


class Follow(Message):
    """Send me the state of an actor, now and when it changes."""

    id: bytes


class ActorState(Message):
    """The state of an actor that you follow."""

    id: bytes
    state: str
    worker: Address | None
    why: str
    error: bytes | None


class EndActor(Question[None]):
    """End an actor, or only its process: it may start again."""

    id: bytes
    no_restart: bool
    why: str
    at_once: bool


class Events(Question[None]):
    """What ran where and when, pickled: (node, row, [*event, *event, ...]).

    One after the other, for there are many: to pickle a tuple per event takes
    ten times as long, and the garbage collector would look at each.
    """

    blob: bytes


class Query(Question[list[Any]]):
    """Return a table: nodes, actors, groups, usage, page or events."""

    what: str


class CreateGroup(Question[Refusal | None]):
    """Make a placement group, unless its name is taken."""

    spec: GroupSpec


class AwaitGroup(Question[list[Address] | Refusal]):
    """Where are the bundles of a group? It may have been removed."""

    id: str


class FindGroup(Question[GroupSpec | None]):
    """Which placement group has this name?"""

    name: str
    namespace: str


class RemoveGroup(Question[None]):
    """Remove a placement group."""

    id: str


def in_group(resource: str, group: str, index: int = -1) -> str:
    """Return the name of a resource of a bundle, or of all of a group."""
    bundle = "" if index < 0 else f"{index}_"
    return f"{resource}_group_{bundle}{group}"


def base(resource: str) -> str:
    """Return what a resource is outside of its placement group."""
    return resource.partition("_group_")[0]


def format_resources(amounts: Iterable[tuple[str, float]]) -> str:
    """Return resources as a program asks for them: {CPU: 1, disk: 0.5}."""
    parts = [f"{name}: {amount:g}" for name, amount in amounts]
    return "{" + ", ".join(parts) + "}"
