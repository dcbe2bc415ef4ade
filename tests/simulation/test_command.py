"""`minimr simulate`: what it prints, writes and returns."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from minimr.cli.commands import run
from minimr.simulation import PROGRAMS, Faults, runs
from minimr.simulation import jobs as jobs_module
from minimr.simulation.jobs import simulate
from tests.simulation.planted import PLANTED

KILL = ["--kill", "4", "--cut", "1"]


def test_all_seeds_are_played_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["simulate", "wordcount", "--seeds", "4", *KILL]) == 0
    out, err = capsys.readouterr()
    assert re.search("4 runs with 20 strikes: [0-9]+ exact, .*0 findings", out)
    assert "wordcount: runs 4/4" in err


def test_several_processes_play_what_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs_module, "SEEDS", 2)
    program, faults = PROGRAMS["wordcount"], Faults(kill=2)
    digests: list[dict[int, str]] = []
    for jobs in (1, 2):
        seen: dict[int, str] = {}
        summary = simulate(
            program,
            range(5, 12),
            faults,
            lambda outcome, seen=seen: seen.update(  # type: ignore[misc]
                {outcome.seed: outcome.digest}
            ),
            jobs,
        )
        assert summary.runs == 7
        digests.append(seen)
    assert digests[0] == digests[1]


@pytest.mark.parametrize("seeds", [20, 20_000])  # few, or some to be given
def test_who_dies_while_it_plays_ends_the_command_with_a_line(
    seeds: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runs, "simulate", lambda *_: os._exit(9))
    play = ["simulate", "wordcount", "--seeds", str(seeds), "--jobs", "2"]
    assert run(play) == 2
    assert f"killed, after 0 of {seeds:,} seeds" in capsys.readouterr().err


def test_a_finding_is_told_with_what_plays_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    PLANTED["a dead worker's outputs are not made again"][1](monkeypatch)
    monkeypatch.setattr("minimr.cli.simulate.SHOWN", 1)
    command = ["simulate", "wordcount", "--seeds", "6", "--during", "1.5s"]
    assert run([*command, *KILL]) == 1
    out = capsys.readouterr().out
    found = re.search("see it again: minimr (simulate .*--during 1.5.*)", out)
    assert found is not None, out
    assert run(found[1].split()) == 1
    assert "finding: " in capsys.readouterr().out


def test_a_trace_says_who_sent_what_and_what_each_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.jsonl"
    command = ["simulate", "wordcount", "--seed", "3", "--trace", str(file)]
    assert run([*command, "--kill", "2"]) == 0
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    sent = [e for e in entries if e["what"] == "bytes" and e.get("says")]
    assert {"RunMap", "Done"} <= {n for e in sent for n in e["says"]}
    assert {"at", "source", "target"} <= set(sent[0])
    knows = [e for e in entries if e["what"] == "knows"]
    assert {e["table"] for e in knows} >= {"tasks", "workers", "blocks"}
    tasks = [e["now"].get("job 1, map task 0") for e in knows]
    assert any("in progress" in (task or "") for task in tasks)
    assert "driver 1 knows: job 1, map task 0: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["wordcount", "--exhaust", "tracker"],
        ["wordcount", "--trace", "file"],
    ],
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    assert run(["simulate", *wrong]) == 2


def test_all_that_can_happen_to_a_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["simulate", "--exhaust", "tracker", "--depth", "3"]
    assert run(command) == 0
    assert (
        "up to 3 steps from the beginning: no rule" in capsys.readouterr()[0]
    )
    PLANTED["what a dead worker was running is not run again"][1](monkeypatch)
    assert run(command) == 1
    assert "broken: who runs a task is alive" in capsys.readouterr().out
