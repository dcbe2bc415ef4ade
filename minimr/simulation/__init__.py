"""Whole clusters in one thread, from a seed: the same code, another machine.

    world        who runs, what time it is, and the trace
    threads      threads, and what they meet at
    network      connections, links, cuts
    processes    processes, their files, signals and ends
    files, loop  memory and pipes; the event loops of asyncio
    held         what belongs to the process that runs
    machine      what `minimr.system.machine` asks for, made of these
    faults       who is killed, cut off or slow, and when
    cluster      the nodes of rung 2, and what may be left at rest
    programs     what is run, and what it may end with
    runs         seeds, verdicts, and the fewest faults that still fail
    story        what the bytes say, for people
    branch       another future of a run

No process of minimr knows that it is simulated: `core`, `net`, `shared` and
`sockets` ask `minimr/system/machine.py`, and something else answers.
FoundationDB and TigerBeetle test their databases so.

    from minimr.simulation import PROGRAMS, Faults, simulate

    summary = simulate(PROGRAMS["wordcount"], range(100), Faults(kill=4))
    assert not summary.findings
"""

from minimr.simulation.faults import Faults as Faults
from minimr.simulation.program import Program as Program
from minimr.simulation.programs import PROGRAMS as PROGRAMS
from minimr.simulation.runs import Outcome as Outcome
from minimr.simulation.runs import Summary as Summary
from minimr.simulation.runs import play as play
from minimr.simulation.runs import simulate as simulate
