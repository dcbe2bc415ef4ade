"""What goes wrong, and when: drawn from the seed before the run begins.

    Faults(kill=4, cut=1, during_s=2) ─ seed ─> [Strike, ...]
    Strike ── at its time ──> a victim among those that are there

Rules:

1. The driver is spared, for the program that is run is what is judged; and
   the head of a cluster of rung 2, whose end is that of all, unless it is
   asked for. So are the connections between these.
2. A strike has a chance of its own, so that the others stay as they are
   when one is left out.
3. What is cut, slow or full gets better after a while.
"""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass

from minimr.simulation.machine import Machine
from minimr.simulation.network import Stream
from minimr.simulation.processes import Process

CUT_S = (0.2, 40.0)  # how long: from less than a heartbeat to a TCP timeout
STOPPED_S = (0.1, 15.0)
SLOW_S = (0.5, 5.0)
FULL_S = (0.1, 10.0)
TIMES_SLOWER = (10.0, 300.0)
UNSAID = 0.5  # how often a process dies just before it says what it has done
ONE_WAY = 0.3  # how often a cut is of one direction alone


@dataclass(frozen=True)
class Faults:
    """How many of each kind a run has.

    Attributes:
        kill: processes that are killed.
        cut: machines that are cut off, or connections that break.
        slow: machines that are slow, or processes that stand still.
        during_s: all begin within so many virtual seconds.
        full: machines whose disk has no room for a while.
        head: heads that are killed: one is all that there is.
    """

    kill: int = 0
    cut: int = 0
    slow: int = 0
    during_s: float = 2.0
    full: int = 0
    head: int = 0

    def strikes(self, seed: int, since_s: float = 0.0) -> list[Strike]:
        """Draw what happens when, earliest first, but not before a time."""
        chance = random.Random(f"strikes of {seed}")
        kinds = [k for k in STRIKES for _ in range(getattr(self, k))]
        drawn = [
            (since_s + chance.uniform(0, self.during_s), kind, chance.random())
            for kind in kinds
        ]
        return [Strike(n, *each) for n, each in enumerate(sorted(drawn))]

    @property
    def number(self) -> int:
        """Count them."""
        return sum(getattr(self, kind) for kind in STRIKES)


@dataclass(frozen=True)
class Strike:
    """One thing that goes wrong.

    Attributes:
        number: among those of its run.
        chance: a number from 0 to 1, which draws all else.
    """

    number: int
    at: float
    kind: str
    chance: float

    def schedule(self, machine: Machine, driver: Process) -> None:
        """Let it happen at its time."""
        strike = STRIKES[self.kind]
        chance = random.Random(f"{self.kind} {self.chance}")
        machine.world.at(self.at, lambda: strike(machine, driver, chance))


def _victims(machine: Machine, driver: Process) -> list[Process]:
    running = machine.processes.running.values()
    return [p for p in running if p is not driver and not p.spared]


def _kill(machine: Machine, driver: Process, chance: random.Random) -> None:
    if victims := _victims(machine, driver):
        victim = chance.choice(victims)
        if chance.random() < UNSAID:
            machine.world.note("doom", process=victim.name)
            victim.doomed = True
        else:
            machine.world.note("kill", process=victim.name)
            machine.processes.end(victim, -signal.SIGKILL)


def _cut(machine: Machine, driver: Process, chance: random.Random) -> None:
    network, world = machine.network, machine.world
    others = _victims(machine, driver)
    hosts = sorted({process.host for process in others} - {driver.host})
    streams = [stream for stream in network.streams if not _spared(stream)]
    if streams and (not hosts or chance.random() < 0.5):
        stream = chance.choice(streams)
        world.note("break", ends=[stream.process.name, list(stream.other)])
        network.reset(stream)
    elif hosts:
        host, seconds = chance.choice(hosts), chance.uniform(*CUT_S)
        every = sorted({p.host for p in others} | {driver.host})
        links = [(host, other) for other in every if other != host]
        if chance.random() >= ONE_WAY:
            links += [(other, host) for host, other in links]
        links = [link for link in links if link not in network.cuts]
        world.note("cut", host=host, seconds=round(seconds, 3))
        for link in links:
            network.cut(*link)
        world.later(seconds, lambda: _mend(machine, links))


def _spared(stream: Stream) -> bool:
    ends = (stream, stream.twin or stream)
    return all(end.process.spared for end in ends)


def _mend(machine: Machine, links: list[tuple[str, str]]) -> None:
    machine.world.note("mend", links=links)
    for link in links:
        machine.network.mend(*link)


def _slow(machine: Machine, driver: Process, chance: random.Random) -> None:
    network, world = machine.network, machine.world
    victims = _victims(machine, driver)
    if not victims:
        return
    victim = chance.choice(victims)
    if chance.random() < 0.5:
        seconds = chance.uniform(*STOPPED_S)
        world.note("stop", process=victim.name, seconds=round(seconds, 3))
        victim.stop()
        world.later(seconds, victim.go_on)
    else:
        seconds = chance.uniform(*SLOW_S)
        times = chance.uniform(*TIMES_SLOWER)
        world.note("slow", host=victim.host, times=round(times, 1))
        network.slow[victim.host] = times
        world.later(seconds, lambda: _be_quick(machine, victim.host))


def _be_quick(machine: Machine, host: str) -> None:
    machine.network.slow.pop(host, None)


def _fill(machine: Machine, driver: Process, chance: random.Random) -> None:
    hosts = {process.host for process in machine.processes.running.values()}
    host, seconds = chance.choice(sorted(hosts)), chance.uniform(*FULL_S)
    machine.world.note("full", host=host, seconds=round(seconds, 3))
    machine.full.add(host)
    machine.world.later(seconds, lambda: machine.full.discard(host))


def _kill_head(
    machine: Machine, driver: Process, chance: random.Random
) -> None:
    for process in list(machine.processes.running.values()):
        if process.spared and process.name.startswith("head"):
            machine.world.note("kill", process=process.name)
            machine.processes.end(process, -signal.SIGKILL)
            machine.network.broken = True  # for all nodes end


STRIKES = {
    "kill": _kill,
    "cut": _cut,
    "slow": _slow,
    "full": _fill,
    "head": _kill_head,
}
