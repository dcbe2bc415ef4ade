"""A node: the process that has a machine's workers and its object store.

    processes ── Hello, Attach ──> links, a home       (here)
    owners ── Demand, Release ──> leases               (`leasing.py`)
    processes ── Create, Fetch ──> objects             (`object_transfer.py`)
    workers ── prints ──> drivers                      (`print_forwarding.py`)
    workers ── ends ──> owners                         (`leasing.py`)
    control store ── View ──> what nodes have left     (`cluster_view.py`)

Rule: one thread, no user code, nothing that waits: the node only decides.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

from minimr.core import messages as m
from minimr.core.node.bundles import Bundles
from minimr.core.node.cluster_view import ClusterView
from minimr.core.node.inspection import Inspection
from minimr.core.node.leasing import Leasing
from minimr.core.node.object_store import Store
from minimr.core.node.object_transfer import Transfers
from minimr.core.node.print_forwarding import Prints
from minimr.core.node.resources import Pool
from minimr.core.node.usage import Usage
from minimr.core.node.worker_pool import Worker, WorkerPool
from minimr.core.prints import Printed
from minimr.net.channel import Address
from minimr.net.endpoint import Endpoint
from minimr.net.messages import GONE, Hello, Reply
from minimr.net.peer import Peer
from minimr.system import machine

REPORT_S = 1.0  # a node that lives says so at least this often
OWN = "node:"  # and its address: of such a resource every node has one
OF_HEAD = f"{OWN}__internal_head__"
NODE_ID_LABEL = "ray.io/node-id"  # every node has this one, as in Ray


log = logging.getLogger(__name__)


class Node(Endpoint):
    """The process that leases workers of one machine."""

    def __init__(
        self,
        token: bytes,
        address: Address,
        resources: m.Resources,
        store: Store,
        labels: m.Labels,
        worker_main: Callable[[Worker], None],
    ) -> None:
        super().__init__("node", token, address)
        self.id = self.process.hex() + self.process.hex()[:12]
        self.labels = {NODE_ID_LABEL: self.id, **labels}
        self.head = self.address
        self.driver: str | None = None  # its process; we end when it does
        self.ending: str | None = None  # why this node is to end
        self._reported: m.NodeInfo | None = None

        self.pool = Pool({**resources, OWN + self.address[0]: 1.0})
        self.store = store
        self.usage = Usage()
        self.cluster = ClusterView(self.info)
        self.prints = Prints(
            self.id,
            show=self._show,
            watch=self.hub.watch_file,
            unwatch=self.hub.unwatch_file,
            later=self.later,
        )
        self.workers = WorkerPool(
            worker_main,
            watch=self.hub.watch_file,
            unwatch=self.hub.unwatch_file,
            later=self.later,
            read_prints=self.prints.read,
            last_words=self.prints.last_words,
            ended=self._ended,
        )
        self.leasing = Leasing(
            self.pool,
            self.workers,
            self.cluster,
            changed=self.report,
            later=self.later,
        )
        self.bundles = Bundles(
            self.pool,
            end_users=self.leasing.end_users,
            changed=self.leasing.schedule,
        )
        self.transfers = Transfers(
            self.store,
            self.address,
            link=self.link,
            ask=self.ask,
            later=self.later,
        )
        self.inspection = Inspection(
            self.id,
            self.address,
            workers=self.workers,
            leasing=self.leasing,
            store=self.store,
            links=self.links.values,
        )
        self.serve(
            *self.prints.handlers(),
            *self.leasing.handlers(),
            *self.bundles.handlers(),
            *self.transfers.handlers(),
            *self.inspection.handlers(),
            m.Attach.to(self._on_attach),
            m.View.to(self._on_view),
            m.TellEvents.to(self._on_tell_events),
            m.Stop.to(self._on_stop),
        )
        self.left.append(self._left)

    # ---- the control store ----

    def join(self, head: Address, joined: Callable[[], None]) -> None:
        """Report to the control store; call when it has heard of us."""
        self.head = head
        self.report()

        def answered(answer: Any) -> None:
            if answer != GONE:  # else `_left` ends us
                joined()

        self.ask(self.link(head), answered, m.Query("nodes"))

    def begin(self) -> None:
        """Start workers, and report to the control store from now on."""
        for _ in range(self.pool.cpus()):
            self.workers.fork(())
        self._tick()

    def info(self) -> m.NodeInfo:
        """Return what this node is and has."""
        free = float(self.store.arena.size - self.store.arena.used)
        return m.NodeInfo(
            id=self.id,
            address=self.address,
            total=self.pool.total,
            available={**self.pool.available, "object_store_memory": free},
            pid=machine.pid(),
            alive=True,
            labels=self.labels,
        )

    def _tick(self) -> None:
        self._reported = None
        self.cluster.forget_expectations()
        self.report(self.usage.measure([machine.pid(), *self.workers.workers]))
        self.workers.trim(self.pool.cpus())
        self.workers.end_orphans()
        self.leasing.schedule()  # there may be room for a worker again
        self._tell(lambda _: None)
        self.later(REPORT_S, self._tick)

    def _tell(self, told: Reply[Any]) -> None:
        """Report what the object store has done to the control store."""
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

    def report(self, used: tuple[float, int] | None = None) -> None:
        """Report what we have to the control store, if it has changed."""
        info = self.info()
        if self._reported != info:
            self._reported = info
            self.link(self.head).post(m.Report(info, used))

    def _on_view(self, peer: Peer, view: m.View) -> None:
        lost = self.cluster.update(view.nodes)
        if lost:
            for process in list(self.links.values()):
                if process.data.kind in ("worker", "driver"):
                    process.post(view)
        for address in lost:
            self.drop_node(address, "it is dead")
        self.leasing.schedule()

    # ---- processes of this node ----

    def _on_hello(self, peer: Peer, hello: Hello) -> None:
        super()._on_hello(peer, hello)
        if self.workers.hello(peer):
            self.leasing.schedule()

    def _on_attach(
        self, peer: Peer, question: m.Attach, reply: Reply[m.Welcome]
    ) -> None:
        arena = (machine.pid(), self.store.descriptor, self.store.arena.size)
        reply(m.Welcome(self.id, self.head, arena))

    def _show(
        self,
        driver: Address,
        job: str,
        parts: list[Printed],
        shown: Reply[Any],
    ) -> None:
        self.ask(self.link(driver), shown, m.Print(job, parts))

    def _ended(self, worker: Worker, how: str) -> None:
        log.debug("%s", how.partition("; its last output")[0])
        self.leasing.worker_ended(worker, how)

    # ---- ends ----

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

    def _on_stop(self, peer: Peer, stop: m.Stop) -> None:
        self.stop(stop.why)

    def stop(self, why: str) -> None:
        """End this process when this step is over."""
        self.ending = self.ending or why  # it may be told once more

    def farewell(self, why: str) -> None:
        """Send drivers the reason of this end, and end the workers."""
        for peer in self.links.values():
            ours = self.address in (self.head, peer.data.home)
            if ours and peer.data.kind == "driver":
                peer.post(m.NodeEnds(why))
        self.workers.closed = True
        for worker in list(self.workers.workers.values()):
            self.workers.end(worker, why)
        self.hub.flush()
