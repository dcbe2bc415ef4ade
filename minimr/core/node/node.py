"""A node: the process that has a machine's workers and its object store.

    processes ── Hello, Attach ──> who is there        (here)
    owners ── Demand, Release ──> leases               (`leasing.py`)
    processes ── Create, Fetch ──> objects             (`transfer.py`)
    workers ── prints ──> drivers                      (`prints.py`)
    workers ── ends ──> owners                         (here)

Rule: one thread, no user code, nothing that waits: the node only decides.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.node.bundles import Bundles
from minimr.core.node.leasing import Leasing
from minimr.core.node.object_store import Store
from minimr.core.node.object_transfer import Transfers
from minimr.core.node.print_forwarding import Prints
from minimr.core.node.worker_pool import Worker, WorkerPool
from minimr.core.scheduler import Pool
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import GONE, Hello, Reply
from minimr.net.peer import Peer
from minimr.system import machine

REPORT_S = 1.0  # a node that lives says so at least this often
OWN = "node:"  # and its address: of such a resource every node has one
OF_HEAD = f"{OWN}__internal_head__"
NODE_ID_LABEL = "ray.io/node-id"  # every node has this one, as in Ray
SPARE_S = 2.0  # workers beyond the CPUs may idle so long


log = logging.getLogger(__name__)


class Node(Endpoint):
    """The process that leases workers of one machine."""

    def __init__(
        self,
        token: bytes,
        address: Address,
        resources: m.Resources,
        store_bytes: int,
        labels: m.Labels,
        worker_main: Callable[..., None],
    ) -> None:
        super().__init__("node", token, address)
        self.id = self.process.hex() + self.process.hex()[:12]
        self.labels = {NODE_ID_LABEL: self.id, **labels}
        self.pool = Pool({**resources, OWN + self.address[0]: 1.0})
        self.store = Store(store_bytes)
        self.transfers = Transfers(self, self.store)
        self.serve(*self.transfers.handlers())
        self.prints = Prints(self, self.id)
        self.serve(*self.prints.handlers())
        self.workers = WorkerPool(
            self.hub, worker_main, self.prints, self._ended
        )
        self.nodes: list[m.NodeInfo] = [self.info()]  # what we expect
        self._told: dict[str, m.NodeInfo] = {}  # what they have reported
        self.head = self.address
        self.driver: str | None = None  # its process; we end when it does
        self.leasing = Leasing(self)
        self.serve(*self.leasing.handlers())
        leasing = self.leasing
        bundles = Bundles(self.pool, leasing.end_users, leasing.schedule)
        self.serve(*bundles.handlers())
        self.serve(
            m.Attach.to(self._on_attach),
            m.View.to(self._on_view),
            m.Inspect.to(self._on_inspect),
            m.TellEvents.to(self._on_tell_events),
            m.Stop.to(self._on_stop),
        )
        self.ending: str | None = None  # why this node is to end
        self._reported: Any = None
        self.left.append(self._left)

    def join(self, head: Address, joined: Callable[[], None]) -> None:
        """Report to the control store; call when it has heard of us."""
        self.head = head
        self.report()

        def answered(answer: Any) -> None:
            if answer != GONE:  # else `_left` ends us
                joined()

        self.ask(self.link(head), answered, m.Query("nodes"))

    def begin(self) -> None:
        """Have workers, and report to the control store from now on."""
        for _ in range(self.cpus()):
            self.workers.fork(())
        self._tick()

    def cpus(self) -> int:
        """Count the CPUs, in whole ones."""
        return int(self.pool.total.get("CPU", 0))

    def info(self) -> m.NodeInfo:
        """Say what this node is and has."""
        free = float(self.store.arena.size - self.store.arena.used)
        available = {**self.pool.available, "object_store_memory": free}
        about = (self.id, self.address, self.pool.total, available)
        return m.NodeInfo(*about, machine.pid(), True, self.labels)

    def _tick(self) -> None:
        self._reported = None
        self.nodes = [*map(_copy, self._told.values())] or self.nodes
        self.report()
        self._trim()
        self.workers.end_orphans()
        self.leasing.schedule()  # there may be room for a worker again
        self._tell(lambda _: None)
        self.later(REPORT_S, self._tick)

    def _tell(self, told: Reply[Any]) -> None:
        """Tell the control store what the object store has done by now."""
        if self.store.events:
            row = (self.id, "object store", [*self.store.events])
            self.store.events.clear()
            head = self.link(self.head)
            self.ask(head, told, m.Events(pickle.dumps(row)))
        else:
            told(None)

    def _on_tell_events(
        self, peer: Peer, question: m.TellEvents, reply: Reply[None]
    ) -> None:
        everyone = self.workers.workers.values()
        workers = [worker.peer for worker in everyone if worker.peer]
        left = 1 + len(workers)

        def told(_: Any) -> None:
            nonlocal left
            left -= 1
            if not left:
                reply(None)

        for worker in workers:
            self.ask(worker, told, m.TellEvents())
        self._tell(told)

    def report(self) -> None:
        """Tell the control store what we have, if that has changed."""
        info = self.info()
        if self._reported != info:
            self._reported = info
            self.link(self.head).post(m.Report(info))

    def _trim(self) -> None:
        """End workers that are more than the CPUs and idle for long."""
        horizon = machine.monotonic() - SPARE_S
        all_workers = list(self.workers.workers.values())
        idle = [w for w in all_workers if w.peer and not w.lease]
        for worker in idle[: max(0, len(idle) - self.cpus())]:
            if worker.idle_since < horizon:
                self.end_worker(worker, "it was idle")

    def end_worker(self, worker: Worker, why: str) -> None:
        """Ask a worker to end, and kill it if it does not."""
        self.workers.stop(worker, why)
        self.later(m.ENDING_S, partial(self.workers.kill, worker, why))

    def _on_stop(self, peer: Peer, stop: m.Stop) -> None:
        self.stop(stop.why)

    def stop(self, why: str) -> None:
        """End this process when this step is over."""
        self.ending = self.ending or why  # it may be told once more

    def farewell(self, why: str) -> None:
        """Tell those who end with this node why; workers end before it."""
        for peer in self.links.values():
            ours = self.address in (self.head, peer.data.home)
            if ours and peer.data.kind == "driver":
                peer.post(m.NodeEnds(why))
        self.workers.closed = True
        for worker in list(self.workers.workers.values()):
            self.end_worker(worker, why)
        self.hub.flush()

    def _ended(self, worker: Worker, how: str) -> None:
        log.debug("%s", how.partition("; its last output")[0])
        self.leasing.worker_ended(worker, how)

    # ---- who is there ----

    def _on_hello(self, peer: Peer, hello: Hello) -> None:
        super()._on_hello(peer, hello)
        worker = self.workers.find(peer.data.process)
        if worker is not None:
            worker.peer, worker.address = peer, peer.data.address
            worker.idle_since = machine.monotonic()
            self.leasing.schedule()

    def _on_attach(
        self, peer: Peer, question: m.Attach, reply: Reply[m.Welcome]
    ) -> None:
        arena = (machine.pid(), self.store.descriptor, self.store.arena.size)
        reply(m.Welcome(self.id, self.head, arena))

    def _left(self, peer: Peer, why: str) -> None:
        if peer.data.process.hex() == self.driver:
            self.stop("the driver is gone")
        if peer.data.address == self.head != self.address:
            self.stop("the head at {}:{} is gone: {}".format(*self.head, why))
        who = (peer.data.kind, peer.data.pid, why)
        log.debug("the %s of process %s is gone: %s", *who)
        self.transfers.process_left(peer, peer.data.address)
        self.leasing.owner_left(peer)
        if peer.data.kind == "driver":
            self.leasing.job_ended(peer.data.process.hex())

    def _on_view(self, peer: Peer, view: m.View) -> None:
        known = {node.id: node for node in self.nodes}
        told = self._told
        self._told = {node.id: node for node in view.nodes if node.alive}
        # What we have sent there since is not undone by old news.
        self.nodes = [
            known[id] if id in known and told.get(id) == node else _copy(node)
            for id, node in self._told.items()
        ]
        alive = {node.address for node in self.nodes}
        lost = {node.address for node in known.values()} - alive
        lost.discard(self.address)
        if lost:
            for process in list(self.links.values()):
                if process.data.kind in ("worker", "driver"):
                    process.post(view)
        for address in lost:
            self.drop_node(address, "it is dead")
        self.leasing.schedule()

    def _on_inspect(
        self, peer: Peer, question: m.Inspect, reply: Reply[Any]
    ) -> None:
        workers = [
            {
                **self._process(worker.pid, worker.address, "WORKER"),
                "lease": _state(worker),
                "runs": worker.running() if worker.lease else "",
            }
            for worker in self.workers.workers.values()
        ]
        drivers = [
            {
                **self._process(link.data.pid, link.data.address, "DRIVER"),
                "lease": "",
                "runs": "",
            }
            for link in self.links.values()
            if link.data.kind == "driver" and link.data.home == self.address
        ]
        objects = [
            {
                "object_id": stored.id.hex(),
                "node_id": self.id,
                "object_size": stored.size,
                "state": "SPILLED" if stored.offset is None else "MEMORY",
                "pins": sum(stored.pins.values()),
            }
            for stored in self.store.objects.values()
        ]
        workers += drivers
        reply(workers if question.what == "workers" else objects)

    def _process(
        self, pid: int, address: Address | None, kind: str
    ) -> dict[str, Any]:
        return {
            "worker_id": f"{self.id[:8]}-{pid}",
            "worker_type": kind,
            "is_alive": True,
            "node_id": self.id,
            "ip": self.address[0],
            "pid": pid,
            "address": address,
        }


def _copy(node: m.NodeInfo) -> m.NodeInfo:
    return node._replace(available=dict(node.available))


def _state(worker: Worker) -> str:
    if worker.lease is None:
        return "IDLE"
    return "LEASED" if worker.lease.want.demand.hold is None else "ACTOR"
