"""A program on a simulated cluster, where something goes wrong on purpose.

kill_node, kill_worker ── the driver sends that task ──> it is killed
delay ── that message is sent ──> it, and what follows it, comes later
cut   ── so long after the begin ──> nobody hears of that machine

run(program, seeds) ──> a verdict for each seed (`runs.py`)
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import minimr
from minimr.net.channel import Address
from minimr.net.messages import Message
from minimr.net.peer import Peer
from minimr.simulation.cluster import Cluster
from minimr.simulation.faults import Faults
from minimr.simulation.machine import Machine
from minimr.simulation.network import Stream
from minimr.simulation.program import DRIVER, Program
from minimr.simulation.runs import (
    Summary,
    judged,
    play,
    prepared,
    undisturbed,
)
from minimr.testing.tasks import RUNS_S, Sent, noticed

Strike = Callable[[Machine, Sent, float], None]
DOCUMENTED = (minimr.exceptions.RayError,)


@dataclass
class Simulated:
    """A simulated cluster, and what goes wrong in each run on it.

    Args:
        nodes: the first one is the head, and the driver is there.
        cpus: of each node.
    """

    nodes: int = 3
    cpus: int = 2
    _kills: list[tuple[str, int, float, Strike]] = field(default_factory=list)
    _delays: list[tuple[str, int, float]] = field(default_factory=list)
    _cuts: list[tuple[str, float, float]] = field(default_factory=list)
    _machine: Machine | None = None  # of the run that goes on
    _sent: Counter[str] = field(default_factory=Counter)  # in it

    def kill_node(
        self, task: int = 1, name: str = "", after_s: float = RUNS_S
    ) -> None:
        """Kill the node that runs a task.

        Not the head: with it ends all that there is. Of a task that goes
        there, its worker is killed.

        Args:
            task: the number of the task, as the driver sends them.
            name: count only tasks of that name.
            after_s: so long after it was sent.
        """
        self._kills.append((name, task, after_s, _kill_node))

    def kill_worker(
        self, task: int = 1, name: str = "", after_s: float = RUNS_S
    ) -> None:
        """Kill the worker that runs a task; see `kill_node`."""
        self._kills.append((name, task, after_s, _kill_worker))

    def delay(self, message: str, seconds: float, number: int = 1) -> None:
        """Let a message come later, and all behind it on its connection.

        Args:
            message: a name of `minimr/core/messages.py`; the reply to a
                task is `Done`.
            number: of the messages of this name.
        """
        self._delays.append((message, number, seconds))

    def cut(self, node: str, seconds: float, after_s: float = 0.5) -> None:
        """Cut a machine off from the others: `head`, or `10.0.0.2`, ..."""
        host = DRIVER if node == "head" else node
        self._cuts.append((host, seconds, after_s))

    def run(
        self,
        program: Callable[[], Any],
        seeds: int = 100,
        errors: tuple[type[Exception], ...] = DOCUMENTED,
        kill: int = 0,
        cut: int = 0,
        slow: int = 0,
    ) -> Summary:
        """Run a program once for each seed, and judge every run.

        Args:
            program: joined to the cluster when it begins; what it returns
                must be what it returns when nothing goes wrong.
            errors: that it may end with instead.
            kill, cut, slow: what goes wrong besides, drawn from the seed.

        Blocks: until all are done.
        """
        name, place = program.__name__, Cluster(self.nodes, self.cpus)
        plain = Program(name, lambda _: program(), cluster=place)
        script = Program(
            name,
            lambda simulated: self._play(simulated, program),
            errors,
            cluster=place,
            disturbed=True,
        )
        summary, begin = Summary(), time.perf_counter()
        with prepared():
            expected = undisturbed(plain)
            with noticed(self._notice), self._delayed():
                for seed in range(seeds):
                    outcome = play(script, seed, Faults(kill, cut, slow))
                    summary.add(judged(outcome, expected))
        summary.wall_s = time.perf_counter() - begin
        return summary

    def _play(self, simulated: Machine, program: Callable[[], Any]) -> Any:
        self._machine = simulated
        self._sent.clear()
        for host, seconds, after_s in self._cuts:
            cut = partial(_cut, simulated, host, seconds)
            simulated.world.later(after_s, cut)
        try:
            result = program()
        finally:
            self._machine = None
        never = [(n, t) for n, t, *_ in self._kills if self._sent[n] < t]
        if never:
            raise RuntimeError(f"the driver has sent no such tasks: {never}")
        return result

    def _in_driver(self) -> bool:
        if self._machine is None:
            return False
        fiber = self._machine.world.current
        return fiber is not None and fiber.process.name == "driver 1"

    def _notice(self, sent: Sent) -> None:
        if not self._in_driver():
            return
        assert self._machine is not None
        for name in {"", sent.name}:
            self._sent[name] += 1
        for name, number, after_s, strike in self._kills:
            if name in ("", sent.name) and self._sent[name] == number:
                strike(self._machine, sent, after_s)

    @contextlib.contextmanager
    def _delayed(self) -> Iterator[None]:
        post = Peer.post

        def post_later(peer: Peer, message: Message) -> None:
            if self._machine is not None:
                self._delay(peer, type(message).__name__)
            post(peer, message)

        Peer.post = post_later  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Peer.post = post  # type: ignore[method-assign]

    def _delay(self, peer: Peer, name: str) -> None:
        self._sent[f"message {name}"] += 1
        for message, number, seconds in self._delays:
            if message == name and self._sent[f"message {name}"] == number:
                stream: Any = getattr(peer.sock, "_file", None)
                if isinstance(stream, Stream):
                    stream.hold(seconds)


@contextlib.contextmanager
def simulated(nodes: int = 3, cpus: int = 2) -> Iterator[Simulated]:
    """Return a simulated cluster, to say what goes wrong and to run on."""
    yield Simulated(nodes, cpus)


def _kill_worker(simulated: Machine, sent: Sent, after_s: float) -> None:
    _kill(simulated, sent.worker, after_s)


def _kill_node(simulated: Machine, sent: Sent, after_s: float) -> None:
    is_head = sent.node[0] == DRIVER
    _kill(simulated, sent.worker if is_head else sent.node, after_s)


def _kill(simulated: Machine, where: Address, after_s: float) -> None:
    process: Any = simulated.network.ports[where].process

    def kill() -> None:
        simulated.world.note("kill", process=process.name)
        simulated.processes.end(process, -signal.SIGKILL)

    simulated.world.later(after_s, kill)


def _cut(simulated: Machine, host: str, seconds: float) -> None:
    network, world = simulated.network, simulated.world
    hosts = {p.host for p in simulated.processes.running.values()}
    links = [
        link
        for other in sorted(hosts - {host})
        for link in ((host, other), (other, host))
        if link not in network.cuts
    ]

    def mend() -> None:
        for link in links:
            network.mend(*link)

    world.note("cut", host=host, seconds=seconds)
    for link in links:
        network.cut(*link)
    world.later(seconds, mend)
