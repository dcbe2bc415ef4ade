"""What a node tells the command line: its processes and its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from minimr.core import messages as m
from minimr.core.node.leasing import Leasing
from minimr.core.node.object_store import Store
from minimr.core.node.worker_pool import WorkerPool
from minimr.net.channel import Address
from minimr.net.messages import Handler, Reply
from minimr.net.peer import Peer

Row = dict[str, Any]


class Inspection:
    """The part of a node that answers `minimr list`.

    Args:
        links: returns the links of this node.
    """

    def __init__(
        self,
        node: str,
        address: Address,
        *,
        workers: WorkerPool,
        leasing: Leasing,
        store: Store,
        links: Callable[[], Iterable[Peer]],
    ) -> None:
        self._node = node
        self._address = address
        self._workers = workers
        self._leasing = leasing
        self._store = store
        self._links = links

    def handlers(self) -> list[Handler]:
        """Return what it is asked."""
        return [m.Inspect.to(self._on_inspect)]

    def _on_inspect(
        self, peer: Peer, inspect: m.Inspect, reply: Reply[list[Row]]
    ) -> None:
        tables: dict[str, Callable[[], list[Row]]] = {
            "workers": lambda: self._worker_rows() + self._driver_rows(),
            "objects": self._object_rows,
            "prints": self._print_rows,
        }
        reply(tables[inspect.what]())

    def _worker_rows(self) -> list[Row]:
        leases = self._leasing.leases.values()
        used = {lease.worker.pid: lease for lease in leases if lease.worker}
        rows = []
        for worker in self._workers.workers.values():
            row = self._process(worker.pid, worker.address, "WORKER")
            row |= {"lease": "IDLE", "runs": ""}
            if worker.pid in used:
                for_tasks = used[worker.pid].want.is_for_tasks()
                row["lease"] = "LEASED" if for_tasks else "ACTOR"
                row["runs"] = worker.running()
            rows.append(row)
        return rows

    def _driver_rows(self) -> list[Row]:
        return [
            self._process(link.data.pid, link.data.address, "DRIVER")
            | {"lease": "", "runs": ""}
            for link in self._links()
            if link.data.kind == "driver" and link.data.home == self._address
        ]

    def _print_rows(self) -> list[Row]:
        """Return the last lines of each worker that has printed."""
        return [
            {"node": self._node, "pid": pid, "text": "\n".join(worker.last)}
            for pid, worker in self._workers.workers.items()
            if worker.last
        ]

    def _object_rows(self) -> list[Row]:
        return [
            {
                "object_id": stored.id.hex(),
                "node_id": self._node,
                "object_size": stored.size,
                "state": "MEMORY" if stored.in_memory() else "SPILLED",
                "pins": sum(stored.pins.values()),
            }
            for stored in self._store.objects.values()
        ]

    def _process(self, pid: int, address: Address | None, kind: str) -> Row:
        return {
            "worker_id": f"{self._node[:8]}-{pid}",
            "worker_type": kind,
            "is_alive": True,
            "node_id": self._node,
            "ip": self._address[0],
            "pid": pid,
            "address": address,
        }
