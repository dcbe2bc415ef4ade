"""What travels between processes: the table of messages, and their parts.

A message is a tuple, its name first; its receiver has a method `_on_NAME`
with these fields, where they have their types. "=> x" is the answer to a
question. Blobs stay pickled until user code needs them: a node never
unpickles what a user wrote.

    owner -> worker
        granted(grant, hold, job)           a lease, before its first push
        push(id, function, blob, args, deps, returns, name, attempt)
        taken(id, count)                    of a generator's items
        cancel(id, force, recursive)        stop it; forced: end the process
        become(spec, restarts)              be an actor => None or its error;
                                            (number, place): see unready
    worker -> owner
        done(id, results)                   => None: references are counted
        yielded(id, number, value)          a generator has one more item
        returned(ids)                       not begun: run them elsewhere
        unready(id, number, place)          an argument is not at that place
    reader -> owner
        locate(id, place)                   not at that place => its value
        borrow(ids)                         I have references => None
        unborrow(ids)                       I have none any more
    owner -> node, and back
        demand(demand)                      so many workers I can use
        leased(number, grant)               one is yours
        refused(number, node, why)          ask that node; None: never
        release(lease, why, at_once)        it is over; with why: end its
                                            worker, which is killed if at once
        reclaim(busy)                       others wait: give back the idle
        died(lease, why, begun)             with so many tasks begun
    process -> node, and back
        attach()                            I belong to you => Welcome
        blocked(waits)                      a task waits, or goes on
        stop(why)                           to drivers: this node ends
        inspect(what)                       workers or objects => rows
        flush_prints(job)                   => None: all is shown by now
        tell_events()                       => None: they are told by now
    node -> worker
        tell_events()                       => None
    node -> driver
        printed(job, parts)                 what workers say => None: shown
    process -> owner
        inspect(what)                       tasks that have not ended => rows
    process -> node: the object store
        create(id, size, owner)             => offset, OnDisk, or why not
        seal(id)                            it is complete
        fetch(id, size, places, owner)      the same; (place, why): not
        unpin(ids)                          nobody here reads them any more
        free(ids)                           nobody can reach them
    node -> node, node -> owner
        pull(id, begin, end)                => a part, or None
        copied(id, place)                   that node has it, too
    node -> control, and back to nodes and, when one died, processes
        report(info)                        I live, and have this
        view(nodes)                         all nodes
        stop(why)                           end, with your workers; a node
                                            says it to a worker, too
    anybody -> control, and back
        create_actor(spec)                  => None, or why not
        start_actor(id, deps)               when its arguments are there
        find_actor(name, namespace)         => spec or None
        follow(id)                          tell me its state, now and later
        actor(id, state, worker, why, error)   the state
        prepare_actor(id, number, place)    it starts again: see to its
                                            arguments; that one is lost
        end_actor(id, no_restart, why, at_once)   => None
        events(blob)                        what ran where and when => None
        query(what)                         => rows
        create_group(spec)                  => None, or why not
        await_group(id)                     => where it is, or why nowhere
        find_group(name, namespace)         => spec or None
        remove_group(id)                    => None
    control -> node
        reserve(group, bundles)             set resources aside => done?
        unreserve(group)                    end what uses them; they are free
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from minimr.net.channel import Address

# Why an owner gives a lease back whose worker does not answer. It may have
# died before anybody killed it for that.
ENDING_S = 3.0  # that a worker may take to end; then it is killed
LOST = "its owner has lost it"

# In memory that a worker shares with its node: its lease, the tasks that it
# has begun in that lease, and the name of the last one.
PROGRESS = struct.Struct("QQ64s")

# Of this a bundle of a placement group has plenty, and each task in it asks
# for a little: so it runs there, even if it asks for nothing else.
BUNDLE, BUNDLE_AMOUNT, BUNDLE_SHARE = "bundle", 1000.0, 0.001

Resources = dict[str, float]
Amounts = tuple[tuple[str, float], ...]
Environment = tuple[tuple[str, str], ...]
Labels = dict[str, str]
# What labels of a node have to be: (key, whether it is none of them, values).
Wishes = tuple[tuple[str, bool, tuple[str, ...]], ...]
Name = tuple[bytes, Address]  # a reference on its way: its id, its owner
# What took a while, for the timeline and for `list`: "task" or "object", its
# id, a name, times (of a task: start, and the end of each phase), and whether
# it succeeded.
Event = tuple[str, bytes, str, tuple[float, ...], bool]


class Shape(NamedTuple):
    """What a worker has to have: leases of one shape are exchangeable."""

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
    """Where a process is."""

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


class Demand(NamedTuple):
    """So many workers of a shape somebody can use, now in all."""

    number: int  # their own, of what it is for
    shape: Shape
    hold: Amounts | None  # by an actor while it lives; None: by tasks
    job: str
    workers: int
    hops: int  # 1: this node was chosen for it, by another or for its data
    answers: int = 0  # of that node that have come; others are on the way
    driver: Address | None = None  # of the job, to show what is printed


class Grant(NamedTuple):
    """A worker that is leased."""

    lease: int  # its number at its node
    worker: Address
    gpus: tuple[int, ...]
    wanted: bool  # others wait: back with it as soon as it is idle
    # Its placement group: the id, and whether nested tasks are in it, too.
    group: tuple[str, bool] | None = None


class ActorSpec(NamedTuple):
    """All that it takes to start an actor, again and again."""

    id: bytes
    class_name: str
    blob: bytes  # the pickled class
    args: bytes | Inline
    deps: tuple[tuple[Name, Value], ...]
    place: Shape  # to be placed
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
    groups: tuple[tuple[str, int], ...] = ()  # of concurrency: how many each


class Call(NamedTuple):
    """A method in another concurrency group than its own."""

    method: str
    group: str


class GroupSpec(NamedTuple):
    """A placement group as it was asked for."""

    id: str
    name: str
    namespace: str
    bundles: tuple[Amounts, ...]
    strategy: str  # PACK, SPREAD, STRICT_PACK, STRICT_SPREAD
    detached: bool


class Inline(NamedTuple):
    """A small value that travels itself. Plain `bytes` is its short form."""

    data: bytes
    buffers: tuple[bytes, ...]
    refs: tuple[Name, ...]  # references that the value contains


class Stored(NamedTuple):
    """A large value in the object stores of some nodes."""

    size: int
    places: list[Address]  # nodes that have a copy
    refs: tuple[Name, ...]


class OnDisk(NamedTuple):
    """Where an object is that the memory of its node has no room for."""

    descriptor: int  # of the node's process: a file without a name


class Failed:
    """There is no value: a pickled exception instead.

    In one process all objects that have the same error share this.
    """

    __slots__ = ("error", "seen")

    def __init__(self, error: bytes) -> None:
        self.error = error
        self.seen = False  # nobody has to be told any more

    def __reduce__(self) -> tuple[type[Failed], tuple[bytes]]:
        return Failed, (self.error,)


Value = bytes | Inline | Stored | Failed


def in_group(resource: str, group: str, index: int = -1) -> str:
    """Return the name of a resource of a bundle, or of all of a group."""
    bundle = "" if index < 0 else f"{index}_"
    return f"{resource}_group_{bundle}{group}"


def base(resource: str) -> str:
    """Return what a resource is outside of its placement group."""
    return resource.partition("_group_")[0]


def say(amounts: Iterable[tuple[str, float]]) -> str:
    """Write resources as a program asks for them: {CPU: 1, disk: 0.5}."""
    parts = [f"{name}: {amount:g}" for name, amount in amounts]
    return "{" + ", ".join(parts) + "}"
