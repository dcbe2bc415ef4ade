"""The leases of one node, or which of several nodes leases: two models.

    owner ── Demand, Release ──> node ── Leased, Refused, Reclaim ──> owner
                                  │ ▲
                           Report ▼ │ View
                                  head

What is real is `Leasing`, with its resources and its view of the cluster, on
each node. Owners do what `Leases` does, and no more; each has tasks of one
shape. Messages arrive in the order of their link, and at any time; workers
start, end and die, and owners die.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable
from itertools import count
from types import SimpleNamespace
from typing import Any

from minimr.core import messages as m
from minimr.core.node.cluster_view import ClusterView
from minimr.core.node.leasing import Leasing
from minimr.core.node.resources import Pool
from minimr.core.node.worker_pool import Worker, WorkerPool, WorkerState
from minimr.net.channel import Address
from minimr.simulation.exhaust.search import Model, Step, must

HEAD = "head"
ANYWHERE = m.Shape((("CPU", 1.0),), None, ())
SPECIAL = m.Shape((("CPU", 1.0), ("special", 1.0)), None, ())
ENOUGH = 40  # rounds of all messages, for tasks that go well
OLD = float("-inf")  # the time of a lease that has had its slice


class Link:
    """The way from a node to another process: `Peer`, as far as it is used."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[Any] = deque()

    def post(self, message: Any) -> None:
        """Send a message."""
        self.queue.append(message)


class QuickWorker(Worker):
    """A worker without memory to share."""

    def __init__(self, pid: int, env: m.Environment) -> None:
        self.state, self.pid, self.env = WorkerState.STARTING, pid, env
        self.process = b"%d" % pid
        self.job, self.why, self.gpus = "", "", None
        self.driver = self.peer = self.address = None
        self.idle_since = 0.0

    def begun(self, lease: int) -> int:
        """Return how many tasks it has begun."""
        return 0


class Workers(WorkerPool):
    """Workers that start and end when the model says so."""

    def __init__(self, later: Callable[..., None]) -> None:
        self.workers = {}
        self.closed = False
        self._later = later
        self._pids = count(1)

    def fork(self, env: m.Environment) -> None:
        """Start a worker."""
        worker = QuickWorker(next(self._pids), env)
        self.workers[worker.pid] = worker

    def kill(self, worker: Worker, why: str) -> None:
        """End a worker: `WorkerPool` hears of it later."""
        self._is_ending(worker, why)


class Node:
    """A node, as far as it leases."""

    def __init__(self, name: str, resources: m.Resources, to: Any) -> None:
        self.name = name
        self.pool = Pool(resources)
        self.timers: list[Callable[[], None]] = []
        self.workers = Workers(self.later)
        self.cluster = ClusterView(self.info)
        self.leasing = Leasing(
            self.pool,
            self.workers,
            self.cluster,
            changed=self.report,
            later=self.later,
        )
        self.handlers = {h.kind: h.call for h in self.leasing.handlers()}
        self.links: dict[str, Link] = {name: Link(name) for name in to}
        self.reported: m.NodeInfo | None = None

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Set a timer, which the model calls when it likes."""
        if function == self.leasing._reclaim_busy:
            self.timers.append(function)

    def info(self) -> m.NodeInfo:
        """Return what it is and has."""
        have = (dict(self.pool.total), dict(self.pool.available))
        return m.NodeInfo(self.name, (self.name, 0), *have, 1, True)

    def report(self) -> None:
        """Report to the head, if something has changed."""
        if HEAD in self.links and self.reported != (info := self.info()):
            self.reported = info
            self.links[HEAD].post(m.Report(info))

    def state(self) -> Hashable:
        """Return all that makes a difference."""
        leasing = self.leasing
        return (
            _amounts(self.pool.available),
            tuple(
                (
                    lease.number,
                    lease.want.peer.name,
                    lease.worker and lease.worker.pid,
                    lease.blocked,
                    lease.since == OLD,
                )
                for lease in leasing.leases.values()
            ),
            tuple(
                (worker.pid, worker.state.name, worker.job)
                for worker in self.workers.workers.values()
            ),
            tuple(
                (want.peer.name, want.count, want.reclaimed, want.demand.hops)
                for want in leasing._wants.values()
            ),
            tuple((k[0].name, n) for k, n in leasing._answers.items()),
            leasing._turn,
            len(self.timers),
            tuple(_plain(node) for node in self.cluster.nodes()),
            tuple(_plain(node) for node in self.cluster._reported.values()),
            tuple(
                tuple(map(_plain, link.queue)) for link in self.links.values()
            ),
        )


class Owner:
    """Who has tasks of one shape. It does what `Leases` does.

    Attributes:
        waiting: tasks without a worker.
        leases: {(node, number): its task has begun; False: it is idle}.
        closed: leases that are given back after their task.
        asked, answers: of each node, as in `records.Queue`.
    """

    def __init__(self, name: str, shape: m.Shape, nodes: list[str]) -> None:
        self.name, self.shape, self.home = name, shape, nodes[0]
        self.waiting = self.done = 0
        self.leases: dict[tuple[str, int], bool] = {}
        self.workers: dict[tuple[str, int], Address] = {}
        self.closed: set[tuple[str, int]] = set()
        self.asked: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.links = {node: deque[Any]() for node in nodes}
        self.alive = True

    def submit(self) -> None:
        """Have one task more."""
        self.waiting += 1
        self.give_work()

    def give_work(self) -> None:
        """Use what is idle; ask for workers for the rest."""
        for lease, runs in self.leases.items():
            if self.waiting and not runs and lease not in self.closed:
                self.waiting -= 1
                self.leases[lease] = True
        asked = self.asked.total()
        if not self.waiting:
            for node in [*self.asked]:
                self._tell(node, 0)
        elif self.waiting >= 2 * asked:
            elsewhere = asked - self.asked[self.home]
            self._tell(self.home, self.waiting - elsewhere)

    def end_task(self, lease: tuple[str, int]) -> None:
        """Have the task of a worker done."""
        self.done += 1
        self.leases[lease] = False
        self.give_work()
        if lease in self.closed:
            self.give_back(lease)

    def give_back(self, lease: tuple[str, int]) -> None:
        """Return an idle worker."""
        self.forget(lease)
        node, number = lease
        self.links[node].append(m.Release(number, ""))

    def forget(self, lease: tuple[str, int]) -> bool:
        """Have a lease no more; return whether its task had begun."""
        self.closed.discard(lease)
        self.workers.pop(lease, None)
        return self.leases.pop(lease, False)

    def hear(self, node: str, message: Any) -> None:
        """Take a message of a node."""
        if isinstance(message, m.Reclaim):
            for lease, runs in list(self.leases.items()):
                if lease[0] == node:
                    if message.busy:
                        self.closed.add(lease)
                    if not runs:
                        self.give_back(lease)
            return
        if isinstance(message, m.Died):
            self.waiting += self.forget((node, message.lease))
            self.give_work()
            return
        self.answers[node] += 1
        self.asked -= Counter([node])
        if isinstance(message, m.Leased):
            lease = (node, message.grant.lease)
            self.leases[lease] = False
            self.workers[lease] = message.grant.worker
            self.give_work()
            if message.grant.wanted and not self.leases[lease]:
                self.give_back(lease)
            return
        must(message.node, "what some node can ever run is not refused")
        if self.waiting:
            other = message.node[0]
            self._tell(other, self.asked[other] + 1, hops=1)

    def node_died(self, node: str) -> None:
        """Hear that a node is dead, with all its workers."""
        lost = self.asked.pop(node, 0)
        for lease in [lease for lease in self.leases if lease[0] == node]:
            self.waiting += self.forget(lease)
        if lost or self.waiting:
            self.give_work()

    def _tell(self, node: str, workers: int, hops: int = 0) -> None:
        self.asked[node] = workers
        self.asked += Counter()  # without those at zero
        demand = m.Demand(
            0, self.shape, None, "job", workers, hops, self.answers[node]
        )
        self.links[node].append(demand)

    def state(self) -> Hashable:
        """Return all that makes a difference."""
        return (
            self.alive,
            self.waiting,
            tuple(self.leases.items()),
            tuple(sorted(self.closed)),
            tuple(sorted(self.asked.items())),
            tuple(sorted(self.answers.items())),
            tuple(tuple(map(_plain, sent)) for sent in self.links.values()),
        )


def _amounts(resources: m.Resources) -> Hashable:
    return tuple(resources.items())


def _plain(message: Any) -> Hashable:
    """Return a message without its dicts."""
    if isinstance(message, m.NodeInfo):
        return message.id, _amounts(message.available)
    if isinstance(message, m.Report):
        return "report", _plain(message.info)
    if isinstance(message, m.View):
        return ("view", *map(_plain, message.nodes))
    if isinstance(message, m.Demand):
        return "demand", message.workers, message.hops, message.answers
    return type(message).__name__, *(message or ())


class NodesModel(Model):
    """Owners, nodes, and the messages between them.

    Args:
        nodes: {name: its resources}; the first one is the owners' home.
        owners: {name: the shape of its tasks}.
        tasks: that may be submitted in all.
        blocks: how often a task may wait for another.
    """

    def __init__(
        self,
        nodes: dict[str, m.Resources],
        owners: dict[str, m.Shape],
        tasks: int = 3,
        deaths: int = 1,
        blocks: int = 1,
        slices: int = 1,
    ) -> None:
        names = [*nodes]
        several = [HEAD] if len(nodes) > 1 else []
        self.nodes = {
            name: Node(name, have, [*owners, *several])
            for name, have in nodes.items()
        }
        self.owners = {
            name: Owner(name, shape, names) for name, shape in owners.items()
        }
        self.views = {name: deque[Any]() for name in names}  # of the head
        self.known: dict[str, m.NodeInfo] = {}  # to the head
        self.tasks, self.deaths, self.waits = tasks, deaths, blocks
        self.slices, self.blocked_once = slices, False
        for node in self.nodes.values():
            self.known[node.name] = node.reported = node.info()
        for node in self.nodes.values():
            node.cluster.update([*self.known.values()])
            node.workers.fork(())

    def steps(self) -> list[Step]:
        """Return what owners, nodes and workers may do."""
        steps: list[Step] = []
        for owner in self._owners():
            if self.tasks:
                steps.append(("submits", owner.name))
            for lease, runs in owner.leases.items():
                end = "ends_task" if runs else "gives_back"
                steps.append((end, owner.name, *lease))
            if self.deaths and len(self.owners) > 1:
                steps.append(("owner_dies", owner.name))
        for node in self.nodes.values():
            if self.slices and node.timers:
                steps.append(("slice_passes", node.name))
            for worker in node.workers.workers.values():
                about = node.name, worker.pid
                if worker.state is WorkerState.STARTING:
                    steps.append(("starts", *about))
                if worker.state is WorkerState.ENDING or self.deaths:
                    steps.append(("worker_ends", *about))
            for each in node.leasing.leases.values():
                if each.worker and (self.waits or each.blocked):
                    what = "goes_on" if each.blocked else "blocks"
                    steps.append((what, node.name, each.number))
        return steps + [("arrives", *way) for way in self._under_way()]

    def state(self) -> Hashable:
        """Return all, and what may still happen."""
        return (
            *(owner.state() for owner in self.owners.values()),
            *(node.state() for node in self.nodes.values()),
            tuple(tuple(map(_plain, sent)) for sent in self.views.values()),
            tuple(map(_plain, self.known.values())),
            (self.tasks, self.deaths, self.waits, self.slices),
        )

    # ---- what may happen ----

    def submits(self, owner: str) -> None:
        """Let an owner have a task more."""
        self.tasks -= 1
        self.owners[owner].submit()

    def ends_task(self, owner: str, node: str, lease: int) -> None:
        """Let a task end."""
        self.owners[owner].end_task((node, lease))

    def gives_back(self, owner: str, node: str, lease: int) -> None:
        """Let an owner return an idle worker."""
        self.owners[owner].give_back((node, lease))

    def owner_dies(self, name: str) -> None:
        """Let an owner die; nodes hear of it after all that it said."""
        self.deaths -= 1
        owner = self.owners[name]
        owner.alive = False
        for sent in owner.links.values():
            sent.append(None)

    def slice_passes(self, node: str) -> None:
        """Let so much time pass that all leases have had their slice."""
        self.slices -= 1
        self._pass_slice(self.nodes[node])

    def starts(self, node: str, pid: int) -> None:
        """Let a worker say hello."""
        workers, name = self.nodes[node].workers, (f"{node}/{pid}", pid)
        peer: Any = Link(name[0])
        process = workers.workers[pid].process
        peer.data = SimpleNamespace(process=process, address=name)
        must(workers.hello(peer), "a worker that says hello is known")
        self.nodes[node].leasing.schedule()

    def worker_ends(self, node: str, pid: int) -> None:
        """Let a worker end, or die."""
        place = self.nodes[node]
        worker = place.workers.workers.pop(pid)
        if worker.state is not WorkerState.ENDING:
            self.deaths -= 1
        place.leasing.worker_ended(worker, "killed")

    def blocks(self, node: str, lease: int) -> None:
        """Let a task wait for another."""
        self.waits -= 1
        self.blocked_once = True
        self._block(node, lease, True)

    def goes_on(self, node: str, lease: int) -> None:
        """Let a task wait no more."""
        self._block(node, lease, False)

    def arrives(self, source: str, target: str) -> None:
        """Let the next message of a link arrive."""
        if source == HEAD:
            node = self.nodes[target]
            node.cluster.update(self.views[target].popleft().nodes)
            node.leasing.schedule()
        elif source in self.nodes:
            message = self.nodes[source].links[target].queue.popleft()
            if target == HEAD:
                self.known[source] = message.info
                for sent in self.views.values():
                    sent.append(m.View([*self.known.values()]))
            else:
                self.owners[target].hear(source, message)
        else:
            self._hear(self.nodes[target], source)

    def _hear(self, node: Node, owner: str) -> None:
        message = self.owners[owner].links[node.name].popleft()
        link: Any = node.links[owner]
        if message is None:
            node.leasing.owner_left(link)
        else:
            node.handlers[type(message)](link, message)

    def _block(self, node: str, number: int, waits: bool) -> None:
        leasing = self.nodes[node].leasing
        worker = leasing.leases[number].worker
        assert worker is not None
        peer: Any = worker.peer
        leasing._on_blocked(peer, m.Blocked(waits))

    def _pass_slice(self, node: Node) -> None:
        for lease in node.leasing.leases.values():
            lease.since = OLD
        timers, node.timers = node.timers, []
        for call in timers:
            call()

    # ---- what has to hold ----

    def check(self) -> None:
        """Check workers and resources."""
        used = [w for o in self._owners() for w in o.workers.values()]
        must(len(set(used)) == len(used), "a worker has at most one owner")
        for node in self.nodes.values():
            leases = node.leasing.leases.values()
            workers = [lease.worker for lease in leases if lease.worker]
            must(
                len({worker.pid for worker in workers}) == len(workers),
                "a worker is leased once",
            )
            held: Counter[str] = Counter()
            for lease in leases:
                for name, amount in lease.hold:
                    if not (lease.blocked and name == "CPU"):
                        held[name] += amount  # type: ignore[assignment]
            for name, have in node.pool.total.items():
                left = node.pool.available[name]
                must(left == have - held[name], "what is left is in no use")
                must(
                    left >= 0 or self.blocked_once,
                    "resources are never negative",
                )

    def settle(self) -> None:
        """Let all tasks run and all workers go back."""
        wanted = {o.name: o.done + self._has(o) for o in self._owners()}
        for _ in range(ENOUGH):
            self._settle_once()
            if not self._is_busy():
                break
        for owner in self._owners():
            must(owner.done == wanted[owner.name], "every task is run")
        for node in self.nodes.values():
            leasing, pool = node.leasing, node.pool
            must(not leasing.leases, "at rest nothing is leased")
            must(not leasing._wants, "at rest nobody waits")
            must(pool.available == pool.total, "at rest all is given back")
        self.check()

    def _is_busy(self) -> bool:
        leased = any(node.leasing.leases for node in self.nodes.values())
        has_tasks = any(map(self._has, self._owners()))
        return bool(leased or has_tasks or self._under_way())

    def _has(self, owner: Owner) -> int:
        return owner.waiting + sum(owner.leases.values())

    def _settle_once(self) -> None:
        while ways := self._under_way():
            for way in ways:
                self.arrives(*way)
        self.check()
        for node in self.nodes.values():
            for each in list(node.leasing.leases.values()):
                if each.blocked:
                    self.goes_on(node.name, each.number)
            for worker in list(node.workers.workers.values()):
                if worker.state is WorkerState.STARTING:
                    self.starts(node.name, worker.pid)
                elif worker.state is WorkerState.ENDING:
                    self.worker_ends(node.name, worker.pid)
        for owner in self._owners():
            for name, runs in list(owner.leases.items()):
                if runs:
                    owner.end_task(name)
                elif name in owner.leases:
                    owner.give_back(name)

    def _owners(self) -> list[Owner]:
        return [owner for owner in self.owners.values() if owner.alive]

    def _under_way(self) -> list[tuple[str, str]]:
        ways = [
            (owner.name, node)
            for owner in self.owners.values()
            for node, sent in owner.links.items()
            if sent
        ]
        ways += [(HEAD, node) for node, sent in self.views.items() if sent]
        for node in self.nodes.values():
            for name, link in node.links.items():
                there = name == HEAD or self.owners[name].alive
                if link.queue and there:
                    ways.append((node.name, name))
        return ways
