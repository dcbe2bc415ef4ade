"""Another future of a run: all is as it was, up to an entry of its trace.

    a seed ──> the same run ──> entry N ──> one thing is changed ──> another

    N:kill=NAME        when it is written, that process is killed
    N:first=FROM>TO    the message that is N waits for one from FROM to TO

Rule: before that entry nothing is drawn and nothing is numbered that was not.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minimr.simulation.machine import Machine
    from minimr.simulation.network import Stream
    from minimr.simulation.processes import Process

WAITS_S = 1.0  # a message, for another one that does not come


class BranchError(ValueError):
    """There is no such branch; the text says why."""


@dataclass(frozen=True)
class Branch:
    """What is changed, and when.

    Attributes:
        entry: a number in the trace, from 0.
        kill: the name of a process.
        first: who sends, and who gets, the message that comes first.
    """

    entry: int
    kill: str = ""
    first: tuple[str, str] = ("", "")

    @classmethod
    def of(cls, text: str) -> Branch:
        """Read "120:kill=worker 3", or "120:first=driver 1>worker 2".

        Raises:
            BranchError: it says something else.
        """
        entry, _, change = text.partition(":")
        what, _, names = change.partition("=")
        source, _, target = names.partition(">")
        if entry.isdecimal() and what == "kill" and names:
            return cls(int(entry), kill=names)
        if entry.isdecimal() and what == "first" and source and target:
            return cls(int(entry), first=(source, target))
        raise BranchError(
            f"{text!r} is no branch: give ENTRY:kill=PROCESS or "
            "ENTRY:first=SENDER>RECEIVER, as the page says them"
        )


class Turn:
    """Lets a branch happen in a run. Runs in: the scheduler.

    Attributes:
        done: it has happened.
    """

    def __init__(
        self, branch: Branch, simulated: Machine, driver: Process
    ) -> None:
        self.done = False
        self._branch, self._simulated = branch, simulated
        self._world, self._driver = simulated.world, driver
        self._held: Stream | None = None
        self._looked = 0  # at so many entries
        if not branch.kill:
            simulated.network.holds = self._holds

    def look(self) -> None:
        """See what has been written, between two steps.

        Raises:
            BranchError: it cannot be.
        """
        branch, trace = self._branch, self._world.trace
        if branch.kill and not self.done and len(trace) > branch.entry:
            self._kill(branch.kill)
        if self._held is not None:
            for entry in trace[max(self._looked, branch.entry) :]:
                ends = entry.get("source"), entry.get("target")
                if ends == branch.first and entry.get("says"):
                    self._let_go()
                    break
        self._looked = len(trace)

    def why(self) -> str:
        """Return why it has not happened."""
        number, length = self._branch.entry, len(self._world.trace)
        if number < length:
            return f"entry {number} of the trace is no message that can wait"
        return f"the trace has only {length} entries"

    def _kill(self, name: str) -> None:
        self.done = True
        running = self._simulated.processes.running.values()
        victim = next((p for p in running if p.name == name), None)
        if victim is None or victim is self._driver or victim.spared:
            raise BranchError(f"{name} cannot be killed then")
        self._world.note("branch", kill=name)
        self._simulated.processes.end(victim, -signal.SIGKILL)

    def _holds(self, stream: Stream) -> bool:
        """Return whether what arrives now has to wait."""
        if self._held is None and not self.done:
            twin = stream.twin
            if len(self._world.trace) == self._branch.entry and twin:
                self.done, self._held = True, stream
                ends = f"{stream.process.name} to {twin.process.name}"
                first = " to ".join(self._branch.first)
                self._world.note("branch", waits=ends, first=first)
                self._world.later(WAITS_S, self._give_up)
        return stream is self._held

    def _give_up(self) -> None:
        if self._held is not None:
            self._world.note("branch", came="nothing", seconds=WAITS_S)
            self._let_go()

    def _let_go(self) -> None:
        stream, self._held = self._held, None
        if stream is not None:
            stream.go_on()
