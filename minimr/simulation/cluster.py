"""A cluster of rung 2 on simulated machines: a head, and other nodes.

    10.0.0.1: the head, and the driver    10.0.0.2, ...: a node each

    start ──> the program ──> at rest ──> shutdown ──> at rest ──> stop

Each node is the process of `minimr/core/node/main.py`, with its workers.

Rule: at rest nobody has anything: no object, no lease, no actor, and all
resources are back. What is left then is a finding.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import minimr
from minimr.core.api.running import VARIABLE
from minimr.core.control.actors import Phase
from minimr.core.node import main as node_main
from minimr.core.node.node import Node
from minimr.core.process.current import find
from minimr.simulation.machine import Machine
from minimr.simulation.processes import Process
from minimr.system import machine

HOST = "10.0.0.{}"
HEAD = (HOST.format(1), 6390)
STORE_BYTES = 10_000_000
LOOK_S = 0.05  # before the second look
LATER = 1.2  # times as long before each of the next
REST_S = 200.0  # until nobody has anything any more, after all faults


class Left(Exception):  # noqa: N818  a verdict more than an error
    """Something is left when nobody needs it any more."""


@dataclass(frozen=True)
class Cluster:
    """What a program of rung 2 runs on.

    Attributes:
        nodes: that run before the program begins; 0: it starts its own.
        cpus: of each node.
        joined: the driver has called `init`, and its objects count as well.
    """

    nodes: int = 3
    cpus: int = 2
    joined: bool = True

    def start(self, simulated: Machine) -> None:
        """Start the nodes. Runs in: driver. Blocks: until all are there."""
        simulated.number_of_cpus = self.cpus
        simulated.processes.known[machine.pid()].spared = True
        for number in range(1, self.nodes + 1):
            process = self.add(simulated, number)
            if number == 1:
                head, process.spared = process, True
            while HEAD not in simulated.network.ports:
                machine.sleep(0.001)
        if self.nodes:
            while known_to(head) < self.nodes:
                machine.sleep(LOOK_S)
            os.environ[VARIABLE] = "{}:{}".format(*HEAD)
        if self.joined:
            minimr.init()

    def add(self, simulated: Machine, number: int) -> Process:
        """Start a node on a machine of its own, the first one as the head."""
        options = {
            "resources": {
                "CPU": float(self.cpus),
                "memory": 1e9,
                "object_store_memory": float(STORE_BYTES),
            },
            "store_bytes": STORE_BYTES,
            "host": HOST.format(number),
            "port": HEAD[1] if number == 1 else 0,
            "head": None if number == 1 else HEAD,
        }
        return simulated.processes.make(
            "head" if number == 1 else "node",
            partial(node_main.main, json.dumps(options)),
            HOST.format(number),
        )

    def stop(self, simulated: Machine, failed: bool) -> None:
        """Leave the cluster and end it. Runs in: driver.

        Raises:
            Left: something is left of the program.
        """
        runtime = find()
        try:
            if self.joined and not failed:
                _rest(lambda: (*of_driver(runtime), *of_nodes(simulated)))
            minimr.shutdown()
            if not (failed and detached(simulated)):
                _rest(lambda: of_nodes(simulated))
        finally:
            for process in list(simulated.processes.running.values()):
                if control_of(process) is not None:
                    process.signal(signal.SIGTERM)


def _rest(left: Callable[[], Iterable[str]]) -> None:
    until, wait = machine.monotonic() + REST_S, LOOK_S
    while found := list(left()):
        if machine.monotonic() > until:
            raise Left("; ".join(found))
        machine.sleep(wait)
        wait *= LATER


def of_driver(runtime: Any) -> Iterator[str]:
    """Say what a driver has that no program needs any more."""
    runtime.values.drain()
    kept = {ref.entry.id for ref in runtime.actors._detached}
    objects = runtime.objects.table
    for name, table in (
        ("objects", {id: objects[id] for id in objects.keys() - kept}),
        ("tasks", runtime.tasks.live),
        ("leases", runtime.leases.by_peer),
    ):
        if table:
            yield f"the driver has {name}: {table!r:.300}"


def of_nodes(simulated: Machine) -> Iterator[str]:
    """Say what nodes have that no program needs any more."""
    for process in simulated.processes.running.values():
        node = node_of(process)
        if node is None:
            continue
        for name, table in (
            ("leases", node.leasing.leases),
            ("objects", node.store.objects),
            ("bytes in its store", node.store.arena.used),
        ):
            if table:
                yield f"{process.name} has {name}: {table!r:.300}"
        if node.pool.available != node.pool.total:
            yield (
                f"{process.name} has {node.pool.available} "
                f"of {node.pool.total}"
            )


def known_to(head: Process) -> int:
    """Return how many nodes a head knows."""
    control = control_of(head)
    return 0 if control is None else len(control.nodes.table)


def detached(simulated: Machine) -> bool:
    """Return whether an actor lives that outlives its driver."""
    controls = map(control_of, simulated.processes.running.values())
    return any(
        actor.phase is not Phase.DEAD and actor.spec.owner is None
        for control in controls
        if control is not None
        for actor in control.actors.table.values()
    )


def control_of(head: Process) -> Any:
    """Return the control store of a head; None: it is none."""
    node = node_of(head)
    query = None if node is None else node.handlers.get("Query")
    return getattr(None if query is None else query.call, "__self__", None)


def node_of(process: Process) -> Node | None:
    """Return the node that a process is."""
    parts = (each.part for each in process.parts)
    return next((part for part in parts if isinstance(part, Node)), None)
