"""A lab: up, down, and what happens in between.

up      what is missing is made, the engines are started, the share is set
grow    the same with more nodes; those that are there keep running
kill    all processes of a node are killed at once, as in a power cut
cut     its link goes down, and its processes keep running
slow    it gets a fifth of its CPU share
heal    the link goes up again, the share is whole, ended engines start again
down    everything in the journal is removed, the last thing first
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.lab import engines
from benchmarks.lab.ground import Ground, Loopback, Usage
from benchmarks.lab.hosts import Hosts
from benchmarks.lab.journal import Journal, alone
from benchmarks.lab.namespaces import Namespaces
from benchmarks.lab.plan import LabError, Node, Plan
from benchmarks.lab.shell import Command, Shell

GROUNDS: dict[str, type[Ground]] = {
    "namespaces": Namespaces,
    "loopback": Loopback,
    "hosts": Hosts,
}


class Lab:
    """One lab, found by its folder `home`.

    Raises:
        LabError: any method, when something does not work.
    """

    def __init__(self, home: str, dry: bool = False) -> None:
        self.home = home
        self.shell = Shell(dry)
        self.journal = Journal(home)

    @property
    def plan(self) -> Plan:
        """The plan of the lab that is up."""
        if self.journal.plan is None:
            raise LabError(
                f"there is no lab in {self.home}: begin with `lab up`"
            )
        return self.journal.plan

    @property
    def ground(self) -> Ground:
        """The kind of its nodes."""
        return self._ground(self.plan)

    def up(self, plan: Plan) -> bool:
        """Make the lab, or the missing parts of it.

        Returns: whether there was anything to do.
        """
        if self.shell.dry:
            self._build(plan)
            return True
        with alone(self.home):
            known = self.journal.plan
            if known is not None and not plan.fits(known):
                raise LabError(
                    f"another lab is up: {known.in_words()}; `lab down` "
                    "first, or choose another --name"
                )
            if known is not None and known.nodes > plan.nodes:
                raise LabError(
                    f"it has {known.nodes} nodes already: `lab down` first"
                )
            if known is not None and not self.journal.complete:
                self._remove(known)  # a half-made node cannot be trusted
            elif known == plan and not self._without_engine(plan):
                return False
            self._build(plan)
            return True

    def grow(self, number: int) -> None:
        """Make nodes until there are this many."""
        if number > self.plan.nodes:
            self.up(self.plan.with_nodes(number))

    def down(self) -> bool:
        """Remove all that was made; return whether there was anything.

        May be called at any time, even after a crash of any command.
        """
        with alone(self.home):
            self.journal = Journal(self.home)
            if self.journal.plan is None:
                return False
            self._remove(self.journal.plan)
            for name in ("minimr-token", "ray-token", "lock"):
                (Path(self.home) / name).unlink(missing_ok=True)
        with suppress(OSError):  # it is not empty
            Path(self.home).rmdir()
        return True

    def command(self, name: str, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` in a node."""
        node = self.plan.node(name)
        return self._inside(self.ground, self.plan, node, argv)

    def usage(self) -> dict[str, Usage]:
        """Return what each node has used: {name: usage}."""
        ground = self.ground
        return {node.name: ground.usage(node) for node in self.plan.all()}

    def kill(self, name: str) -> None:
        """Kill all processes of a node at once."""
        self.ground.end_processes(self.plan.node(name))

    def cut(self, name: str) -> None:
        """Disconnect a node from the network."""
        self.ground.set_link(self.plan.node(name), up=False)

    def slow(self, name: str) -> None:
        """Let a node have a part of its CPU share, until it is healed."""
        self.ground.slow(self.plan.node(name))

    def heal(self, name: str) -> list[str]:
        """Bring a node back; return the engines that had to be started."""
        plan, ground = self.plan, self.ground
        node = plan.node(name)
        if plan.ground == "namespaces":
            ground.set_link(node, up=True)
        missing = [e for n, e in self._without_engine(plan) if n == node]
        wanted = [(node, engine) for engine in missing]
        self._start(plan, ground, wanted, [node])
        return missing

    @contextmanager
    def unlimited(self) -> Iterator[None]:
        """Lift the CPU shares for work that is not measured."""
        nodes, ground = self.plan.all(), self.ground
        ground.limit(nodes, on=False)
        try:
            yield
        finally:
            ground.limit(nodes, on=True)

    def await_usage(
        self, name: str, ready: Callable[[Usage], bool], timeout_s: float
    ) -> None:
        """Wait until a node's usage meets a condition."""
        node, ground = self.plan.node(name), self.ground
        until = time.monotonic() + timeout_s
        while not ready(ground.usage(node)):
            if time.monotonic() > until:
                raise LabError(f"{name} is not ready after {timeout_s} s")
            time.sleep(0.05)  # nothing signals a new process elsewhere

    def _ground(self, plan: Plan) -> Ground:
        return GROUNDS[plan.ground](plan, self.shell, self.journal)

    def _remove(self, plan: Plan) -> None:
        ground = self._ground(plan)
        for thing in reversed(list(self.journal.things)):
            ground.remove(thing)
            self.journal.things.remove(thing)
            self.journal.write()
        for node in plan.all():
            shutil.rmtree(plan.folder(node), ignore_errors=True)
        for log in Path(self.home).glob("*.log"):
            log.unlink()
        self.journal.remove()

    def _build(self, plan: Plan) -> None:
        ground, known = self._ground(plan), self.journal.plan
        made = plan.all()[known.nodes if known else 0 :]
        if not self.shell.dry:
            self.journal.begin(plan)
            engines.make_tokens(plan)
        ground.make_common()
        for node in plan.all():
            self.shell.make_folder(plan.folder(node))
            ground.make(node)
        self._start(plan, ground, self._without_engine(plan), made)
        if not self.shell.dry:
            self.journal.finish()

    def _start(
        self,
        plan: Plan,
        ground: Ground,
        wanted: list[tuple[Node, str]],
        changed: list[Node],
    ) -> None:
        """Start engines, heads first; then apply the CPU shares.

        Not those of nodes that are as they were: one may have been slowed.
        """
        nodes = list(dict.fromkeys(node for node, _ in wanted))
        ground.limit(nodes, on=False)
        for heads in (True, False):
            self.shell.run_all(
                [
                    Command(
                        self._inside(
                            ground,
                            plan,
                            node,
                            engines.start_command(engine, plan, node),
                        )
                    )
                    for node, engine in wanted
                    if (node.number == 1) is heads
                ]
            )
        ground.limit(list(dict.fromkeys([*changed, *nodes])), on=True)

    def _without_engine(self, plan: Plan) -> list[tuple[Node, str]]:
        """Return the engines that have to be started, node by node."""
        every = [(n, engine) for n in plan.all() for engine in plan.engines]
        if self.shell.dry:
            return every
        ground = self._ground(plan)
        running = {n: ground.usage(n).commands for n in plan.all()}
        return [
            (node, engine)
            for node, engine in every
            if not any(engines.SERVERS[engine] in c for c in running[node])
        ]

    def _inside(
        self, ground: Ground, plan: Plan, node: Node, argv: Sequence[str]
    ) -> list[str]:
        return ground.enter(node, engines.environ(plan, node), argv)


@contextmanager
def temporary(plan: Plan) -> Iterator[Lab]:
    """Make a lab, in place of what is left of one; remove it at the end.

    Raises:
        LabError: something does not start.
    """
    lab = Lab(plan.home)
    lab.down()
    Path(plan.home).mkdir(parents=True, exist_ok=True)
    lab.up(plan)
    try:
        yield lab
    finally:
        lab.down()
