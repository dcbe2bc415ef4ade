"""Every message between processes of a cluster, and who sends it to whom.

All links carry frames with a list of these. A message inside `Ask` gets its
reply inside an `Answer` with the same number; the reply stands behind it as
"=> reply". Blobs stay pickled until user code needs them: a node never
unpickles what a user wrote.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.net.channel import Address

Resources = dict[str, float]


class Shape(NamedTuple):
    """What a worker has to have: leases of one shape are exchangeable."""

    resources: tuple[tuple[str, float], ...]
    strategy: tuple[Any, ...] | None  # ("SPREAD",), ("node", id, soft)
    env: tuple[tuple[str, str], ...]  # environment variables of the worker


class Job(NamedTuple):
    """What the workers of one driver have in common."""

    id: str
    sys_path: tuple[str, ...]
    directory: str
    namespace: str
    env: tuple[tuple[str, str], ...]


# ---- values ---------------------------------------------------------------


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


class Failed(NamedTuple):
    """There is no value: a pickled exception instead."""

    error: bytes


class Name(NamedTuple):
    """A reference on its way: which object, and who owns it."""

    id: bytes
    owner: Address


Value = bytes | Inline | Stored | Failed


# ---- any link -------------------------------------------------------------


class Ask(NamedTuple):
    """A message that wants an answer."""

    number: int
    body: Any


class Answer(NamedTuple):
    """The answer to the `Ask` with that number."""

    number: int
    body: Any


class Hello(NamedTuple):
    """The first message on every link: who is calling."""

    kind: str  # driver, worker, node, tool
    process: bytes  # prefix of the ids that it makes
    address: Address
    pid: int
    job: Job | None


# ---- owner -> worker, and back ---------------------------------------------


class Define(NamedTuple):
    """Owner -> worker: a function or class, once per link."""

    key: bytes
    name: str
    blob: bytes


class Push(NamedTuple):
    """Owner -> worker: run a task. `Done` or `Returned` follows."""

    task: bytes
    function: bytes
    args: bytes  # pickled (args, kwargs), a `Slot` for each reference
    deps: tuple[tuple[Name, Value], ...]  # what goes into the slots
    returns: int  # -1: a generator
    attempt: int
    name: str


class Call(NamedTuple):
    """Owner -> actor: call a method. `Done` follows."""

    task: bytes
    method: str
    args: bytes
    deps: tuple[tuple[Name, Value], ...]
    returns: int
    attempt: int


class Granted(NamedTuple):
    """Owner -> worker, before its first push: the lease and its GPUs."""

    lease: int
    gpus: tuple[int, ...]
    hold: tuple[tuple[str, float], ...]


class Done(NamedTuple):
    """Worker -> owner: a task's results; plain bytes for one small one."""

    task: bytes
    results: bytes | Failed | list[Value]  # Failed: it raised


class Yielded(NamedTuple):
    """Worker -> owner: a generator has one more item."""

    task: bytes
    index: int
    value: Value


class Returned(NamedTuple):
    """Worker -> owner: these had not begun, run them elsewhere."""

    tasks: list[bytes]


class Cancel(NamedTuple):
    """Owner -> worker: stop a task; with force, end the process."""

    task: bytes
    force: bool
    recursive: bool


# ---- anybody -> owner ------------------------------------------------------


class Locate(NamedTuple):
    """Reader -> owner: => Value, once there is one."""

    id: bytes


class Borrow(NamedTuple):
    """Borrower -> owner: I have references to these. => None."""

    ids: list[bytes]


class Landed(NamedTuple):
    """Receiver -> sender: the references of that value are registered."""

    task: bytes


class Unborrow(NamedTuple):
    """Borrower -> owner: I have none any more."""

    ids: list[bytes]


class Missing(NamedTuple):
    """Reader -> owner: that node had no copy. => Value, found or remade."""

    id: bytes
    place: Address


class Copied(NamedTuple):
    """Reader -> owner: that node has a copy now."""

    id: bytes
    place: Address


class Attach(NamedTuple):
    """Driver or worker -> node: I belong to you. => Welcome."""


class Welcome(NamedTuple):
    """Node -> process: where it is."""

    node: str
    head: Address
    arena: tuple[int, int, int]  # process id, file descriptor, bytes


# ---- owner -> node, and back -----------------------------------------------


class Demand(NamedTuple):
    """Owner -> node: how many more workers of a shape I can use now."""

    queue: int
    shape: Shape
    count: int
    hops: int  # 1: another node sent me here


class Leased(NamedTuple):
    """Node -> owner: a worker is yours until `Release`."""

    queue: int
    lease: int
    worker: Address
    gpus: tuple[int, ...]


class Spilled(NamedTuple):
    """Node -> owner: ask that node for one of them."""

    queue: int
    node: Address


class Unschedulable(NamedTuple):
    """Node -> owner: no node can ever run this."""

    queue: int
    why: str


class Release(NamedTuple):
    """Owner -> node: a lease is over."""

    lease: int


class Reclaim(NamedTuple):
    """Node -> owner: others wait, give idle leases back; busy ones soon."""

    busy: bool


class Blocked(NamedTuple):
    """Worker -> node: the task waits (True) or goes on (False)."""

    waits: bool


class Obituary(NamedTuple):
    """Owner -> node: how did this worker die? => Death."""

    worker: Address


class Death(NamedTuple):
    """Node -> owner: how a worker ended."""

    why: str
    begun: int  # tasks that it had begun, of the current lease
    oom: bool


class Printed(NamedTuple):
    """Node -> driver: lines that workers of its job have printed."""

    pid: int
    node: str
    lines: list[str]
    error: bool
    name: str  # of the task


class Stop(NamedTuple):
    """Node -> worker: end. Control -> node: end with all workers."""

    why: str


# ---- process <-> node: the object store ------------------------------------


class Create(NamedTuple):
    """Process -> node: make room. => offset, or a text: why not."""

    id: bytes
    size: int
    owner: Address  # without it, nobody would free the object


class Seal(NamedTuple):
    """Process -> node: the object is complete."""

    id: bytes


class Fetch(NamedTuple):
    """Process -> node: bring it here and pin it. => offset or Missed."""

    id: bytes
    size: int
    places: list[Address]
    owner: Address


class Missed(NamedTuple):
    """Node -> process: that place has it no more; or the store is full."""

    place: Address | None
    why: str


class Unpin(NamedTuple):
    """Process -> node: nothing here reads it any more."""

    ids: list[bytes]


class Free(NamedTuple):
    """Owner -> node: nobody can reach these objects."""

    ids: list[bytes]


class Pull(NamedTuple):
    """Node -> node: a part of an object. => buffer, or None."""

    id: bytes
    begin: int
    end: int


# ---- node <-> control store ------------------------------------------------


class NodeInfo(NamedTuple):
    """What the cluster knows of a node."""

    id: str
    address: Address
    total: Resources
    available: Resources
    pid: int
    alive: bool
    store_bytes: int


class Report(NamedTuple):
    """Node -> control: I live, and this is what I have."""

    info: NodeInfo


class View(NamedTuple):
    """Control -> nodes: all nodes."""

    nodes: list[NodeInfo]


class NodeLost(NamedTuple):
    """Control -> nodes -> processes: a node is dead."""

    address: Address
    why: str


class Events(NamedTuple):
    """Worker -> control: what ran; pickled, unread until asked for."""

    blob: bytes


# ---- actors ----------------------------------------------------------------


class ActorSpec(NamedTuple):
    """All that it takes to start an actor, again and again."""

    id: bytes
    class_name: str
    blob: bytes  # the pickled class
    args: bytes
    deps: tuple[tuple[Name, Value], ...]
    place: Shape  # to be placed
    hold: Shape  # while it lives
    name: str | None
    namespace: str
    max_restarts: int
    max_task_retries: int
    concurrency: int
    is_async: bool
    methods: dict[str, dict[str, Any]]
    job: Job
    owner: Address | None  # None: detached
    max_pending_calls: int


class CreateActor(NamedTuple):
    """Owner -> control: => None, or a text: why not."""

    spec: ActorSpec


class FindActor(NamedTuple):
    """Anybody -> control: => ActorSpec, or None."""

    name: str
    namespace: str


class Follow(NamedTuple):
    """Caller -> control: tell me the actor's state, now and on changes."""

    actor: bytes


class Forget(NamedTuple):
    """Owner -> control: no handle is left, end it after its calls."""

    actor: bytes


class ActorState(NamedTuple):
    """Control -> followers."""

    actor: bytes
    state: str  # PENDING, ALIVE, RESTARTING, DEAD
    worker: Address | None
    restarts: int
    why: str
    error: bytes | None  # pickled: what the constructor raised


class StartActor(NamedTuple):
    """Control -> node: lease a worker and make it an actor."""

    spec: ActorSpec
    restarts: int


class Become(NamedTuple):
    """Node -> worker: be this actor. => ActorReady."""

    spec: ActorSpec
    restarts: int
    gpus: tuple[int, ...]


class ActorReady(NamedTuple):
    """Worker -> node -> control: the constructor is through."""

    actor: bytes
    worker: Address
    error: bytes | None


class ActorLost(NamedTuple):
    """Node -> control: the actor's process is gone."""

    actor: bytes
    why: str
    intended: bool


class KillActor(NamedTuple):
    """Anybody -> control -> node."""

    actor: bytes
    no_restart: bool
    why: str


# ---- tools -> control ------------------------------------------------------


class Query(NamedTuple):
    """Anybody -> control or node: => a list of dicts, or whatever."""

    what: str
