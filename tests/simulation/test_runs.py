"""Whole clusters from seeds: exact, or the documented error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import minimr as ray
from minimr.core.node.node import Node
from minimr.core.process.current import find
from minimr.interface.mapreduce import Job
from minimr.serial.mapreduce import MapReduce
from minimr.shared.parameter_server.checkpoint import Checkpoint
from minimr.simulation import (
    PROGRAMS,
    Faults,
    Program,
    play,
    runs,
    simulate,
    world,
)
from minimr.simulation.cluster import Cluster
from minimr.simulation.machine import Machine
from minimr.simulation.network import Network, Stream
from minimr.simulation.program import DRIVER
from minimr.simulation.runs import (
    Outcome,
    judged,
    prepared,
    shrink,
    undisturbed,
)
from minimr.simulation.words import TEXTS, total, words_of
from tests.simulation.planted_core import PLANTED

ROOT = Path(__file__).parents[2]
MANY = Faults(kill=4, cut=1, slow=1)
ALL = set(range(MANY.number))
WITHIN = 200  # seeds
NODES = ("head 1", "node 1", "node 2")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "faults", [Faults(), Faults(kill=4), MANY], ids=["quiet", "kill", "many"]
)
def test_every_run_is_exact_or_ends_as_documented(
    program: str, faults: Faults
) -> None:
    """321 seeds in all."""
    seeds = 20 if PROGRAMS[program].cluster is None else 8
    seeds = 3 if program == "dqn" else seeds  # each takes as long as ten
    summary = simulate(PROGRAMS[program], range(seeds), faults)
    assert [(f.seed, f.why) for f in summary.findings] == []
    assert summary.exact >= seeds // 2
    if not faults.number:
        assert summary.exact == summary.runs


@pytest.mark.parametrize(
    ("program", "faults"),
    [
        ("wordcount", Faults(kill=2, full=2)),
        ("parameter-server", Faults(kill=2, full=2)),
        ("objects", Faults(full=2)),
        ("tasks", Faults(head=1, during_s=0.8)),
        ("actors", Faults(kill=1, head=1, during_s=0.8)),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_full_disk_and_a_dead_head_are_documented_errors_at_most(
    program: str, faults: Faults
) -> None:
    summary = simulate(PROGRAMS[program], range(4), faults)
    assert [(f.seed, f.why) for f in summary.findings] == []


def found(program: str, faults: Faults) -> str:
    with prepared():
        outcomes = (play(PROGRAMS[program], n, faults) for n in range(20))
        return next(o.why for o in outcomes if o.verdict == "finding")


def test_a_server_that_a_full_disk_ends_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Checkpoint, "try_to_save", Checkpoint.save)
    assert "No space left" in found("parameter-server", Faults(full=2))


def test_a_node_that_outlives_its_head_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Node, "stop", lambda self, why: None)
    assert "still there" in found("tasks", Faults(head=1, during_s=0.8))


@pytest.mark.parametrize("seed", [63, 165, 244])
def test_a_client_whose_connection_breaks_in_the_handshake_dials_again(
    seed: int,
) -> None:
    """It was an error, where one that breaks a moment later is none."""
    with prepared():
        outcome = play(
            PROGRAMS["parameter-server"], seed, Faults(kill=2, cut=4)
        )
    assert "no handshake" not in outcome.why


@pytest.mark.parametrize("seed", [1005, 1043])
def test_an_actor_that_stands_still_while_it_is_dialled_is_dialled_again(
    seed: int,
) -> None:
    """Its calls were waited for without end, though it lived."""
    with prepared():
        faults = Faults(kill=4, cut=1, slow=1)
        outcome = play(PROGRAMS["actors"], seed, faults)
    assert outcome.verdict == "exact", outcome.why


WORKERS = {f"fork of {node} {n}" for node in NODES for n in range(1, 9)}


class Breaks:
    """Strikes at one connection, so long after it has been answered.

    Not at one of the head with a driver or a node: it is the end of these.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        strike: Callable[[Network, Stream], None] = Network.reset,
    ) -> None:
        self.answered, self.which, self.after_s = 0, -1, 0.0
        answer = Network._answer

        def answer_and_break(network: Network, caller: Stream) -> None:
            answer(network, caller)
            assert caller.twin is not None
            names = {caller.process.name, caller.twin.process.name}
            if "head 1" not in names or names & WORKERS:
                if self.answered == self.which:
                    end = partial(strike, network, caller)
                    network.world.later(self.after_s, end)
                self.answered += 1

        patch.setattr(Network, "_answer", answer_and_break)

    def outcomes(self, program: Program, after_s: float) -> Iterator[Outcome]:
        """Play a program once for each connection, which is struck."""
        with prepared():
            expected = undisturbed(program)
            total, self.after_s = self.answered, after_s
            for self.which in range(total):
                self.answered = 0
                yield judged(play(program, 0), expected)
        assert total > 5


@pytest.mark.parametrize("after_s", [0.0005, 0.004])
@pytest.mark.parametrize("name", ["wordcount", "parameter-server", "actors"])
def test_any_connection_may_break_in_its_handshake_or_soon_after(
    name: str, after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an error of its own, a traceback, and a wait without end."""
    breaks = Breaks(monkeypatch)
    program = replace(PROGRAMS[name], disturbed=True)
    for outcome in breaks.outcomes(program, after_s):
        assert outcome.verdict != "finding", (breaks.which, outcome.why)


def cut_off(network: Network, stream: Stream) -> None:
    """Cut a machine off from all others, for ever."""
    hosts = {stream.host, stream.other_host} - {DRIVER}
    for host in sorted(hosts)[:1]:
        for other in sorted({DRIVER, "10.0.0.2", "10.0.0.3"} - {host}):
            network.cut(host, other)
            network.cut(other, host)


@pytest.mark.parametrize("after_s", [0.0005, 0.012])
def test_a_machine_may_be_cut_off_before_it_has_said_whose_it_is(
    after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hung up on it, and calls waited for TCP without end."""
    breaks = Breaks(monkeypatch, cut_off)
    program = replace(PROGRAMS["actors"], disturbed=True)
    for outcome in breaks.outcomes(program, after_s):
        assert outcome.verdict != "finding", (breaks.which, outcome.why)
        assert outcome.seconds < 60.0


@pytest.mark.parametrize(
    ("seed", "strikes"), [(257, {1}), (319, {0}), (342, {0, 1, 2})]
)
def test_a_worker_that_loses_the_run_before_it_is_registered_just_leaves(
    seed: int, strikes: set[int]
) -> None:
    """It died with a traceback: of a reset, or of a time-out."""
    with prepared():
        outcome = play(PROGRAMS["wordcount"], seed, MANY, ALL - strikes)
    assert outcome.verdict == "exact", outcome.why


def test_an_actor_whose_worker_the_head_cannot_reach_starts_elsewhere() -> (
    None
):
    """The head waited for the death of a worker that lived on."""
    with prepared():
        outcome = play(PROGRAMS["actors"], 483, MANY, ALL - {0})
    assert outcome.verdict == "exact", outcome.why


def test_a_worker_whose_node_hangs_up_on_it_at_once_just_leaves() -> None:
    """It died of an error of the system, with a traceback."""
    with prepared():
        outcome = play(PROGRAMS["actors"], 16, MANY)
    assert outcome.verdict == "exact", outcome.why


def test_a_grant_that_comes_after_the_next_one_changes_nothing() -> None:
    """Owners dial on links of their own: one of them came late.

    The worker said then that it had begun nothing of the lease it was on,
    and when it died its task ran again without being charged for it.
    """
    with prepared():
        outcome = play(PROGRAMS["nested"], 244, MANY, ALL - {0, 1, 2})
    assert outcome.verdict == "exact", outcome.why


def test_who_finds_the_link_to_its_node_closed_is_cut_off() -> None:
    """Another thread had not handled that: an error of types was raised."""

    def main(simulated: Machine) -> None:
        runtime = find()
        runtime.hub.drop(runtime.node)
        ray.put(bytes(10**6))

    cut_off = (ray.exceptions.LocalRayletDiedError,)
    program = Program("cut off", main, cut_off, cluster=Cluster(1))
    with prepared():
        outcome = play(program, 0)
    assert outcome.why.startswith("LocalRayletDiedError")


def test_what_a_lost_lease_had_sent_is_freed_without_the_collector() -> None:
    """The lease was in a circle, and its tasks held a reference."""
    with prepared():  # where no collector runs
        outcome = play(PROGRAMS["nested"], 1, Faults(kill=4), {1, 2, 3})
    assert outcome.verdict == "exact", outcome.why


def test_a_simulated_job_counts_what_the_for_loop_counts() -> None:
    splits = [(text, 0.0) for text in TEXTS]
    with MapReduce() as engine:
        result = engine.run(Job("words", words_of, total), splits, 3)
        loop = sorted(result.merged().items()), result.top(5)
    with prepared():
        assert undisturbed(PROGRAMS["wordcount"]) == loop


def test_a_seed_is_the_same_run_wherever_minimr_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages name folders, and a longer one took other draws."""
    runs = []
    for folder in ("x", "x" * 200):
        monkeypatch.setattr(sys, "path", [*sys.path, folder])
        with prepared():
            trace = play(PROGRAMS["objects"], 0, MANY).trace
        runs.append([(entry["at"], entry["what"]) for entry in trace])
    assert runs[0] == runs[1]


def test_a_seed_is_a_run_in_any_interpreter() -> None:
    digests = set()
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1
    assert len(set(digests.pop().split())) == len(PROGRAMS)  # all differ


DIGESTS = """
from minimr.simulation import PROGRAMS, Faults, play
from minimr.simulation.runs import prepared

with prepared():
    for program in PROGRAMS.values():
        print(play(program, 0, Faults(kill=4, cut=1, slow=1)).digest)
"""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "LIMIT_S", 300.0)  # a hang is seen by then
    monkeypatch.setattr(world, "MAX_LOOKS", 10_000)  # and so is a busy loop
    bug = PLANTED[name]
    program, others = PROGRAMS[bug.program], ALL - bug.strikes
    smallest = [(bug.seed, others)]  # it is tried first
    with prepared():
        expected = undisturbed(program)
        bug.plant(monkeypatch)
        for seed, left_out in smallest + [(n, set()) for n in range(WITHIN)]:
            outcome = play(program, seed, MANY, left_out)
            if judged(outcome, expected).verdict == "finding":
                break
        else:
            pytest.fail(f"not found within {WITHIN} seeds")


def test_a_finding_is_shrunk_to_the_strikes_that_make_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = PROGRAMS["wordcount"]
    with prepared():
        expected = undisturbed(program)
        PLANTED["a dead worker's outputs are not made again"].plant(
            monkeypatch
        )
        runs = (judged(play(program, s, MANY), expected) for s in range(99))
        finding = next(run for run in runs if run.verdict == "finding")
        small = shrink(program, finding, MANY, expected)
        left_out = set(range(6)) - {strike.number for strike in small.strikes}
        again = judged(play(program, small.seed, MANY, left_out), expected)
    assert len(finding.strikes) == 6
    assert 1 <= len(small.strikes) <= 3
    assert again.digest == small.digest
    assert again.verdict == "finding"


def test_to_tell_a_run_does_not_change_it() -> None:
    with prepared():
        quiet = play(PROGRAMS["wordcount"], 3, MANY)
        told = play(PROGRAMS["wordcount"], 3, MANY, read=True)
    assert quiet.digest == told.digest
    said = {name for e in told.trace for name in e.get("says", ())}
    assert {"Register", "RunMap", "Done", "Fetch", "Block"} <= said
