"""What the points of a scaling run say, and a small run of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scaling import dqn_rounds, summary
from benchmarks.scaling.cli import first_files
from benchmarks.scaling.jobs import check_counts, count_words, shuffle, sleep
from benchmarks.scaling.store import Key, Point, Store
from benchmarks.scaling.training import train
from benchmarks.scaling.workloads import WORKLOADS, Size
from minimr.ladder import Options, open_engine
from minimr.serial.mapreduce import MapReduce as Serial
from minimr.sockets.mapreduce import MapReduce as FromScratch
from tests.contract.test_dqn import kill

ROOT = Path(__file__).parents[2]


def point(
    nodes: int, seconds: list[float], workload: str = "words", **more: Any
) -> Point:
    use = {"cpu_seconds": 0.5, "memory_bytes": 9 * nodes, "sent_bytes": 7}
    usage = {f"n{k}": use for k in range(1, nodes + 1)}
    rounds = [
        {"seconds": s, "exact": True, "usage": usage, **more} for s in seconds
    ]
    key = Key("scaling", "sockets", workload, nodes)
    return Point(key, {}, 60.0, "a lab", rounds, {})


def test_speed_up_is_of_the_medians_and_efficiency_a_node() -> None:
    one, four = summary.rows(
        [point(1, [8.0, 9.0, 80.0]), point(4, [3.0, 3.0, 1.0])]
    )
    assert (one.speed_up, one.efficiency) == (1.0, 1.0)
    assert (four.speed_up, four.efficiency) == (3.0, 0.75)
    assert four.throughput == 20.0
    assert four.wire_bytes == 28
    assert four.cpu_seconds == 2.0
    assert four.seconds.low == 1.0


def test_with_n_times_the_work_the_same_time_is_an_efficiency_of_one() -> None:
    rows = summary.rows(
        [point(1, [2.0], "words-weak"), point(4, [2.0], "words-weak")]
    )
    assert (rows[1].speed_up, rows[1].efficiency) == (4.0, 1.0)


def test_one_wrong_round_makes_a_row_inexact() -> None:
    wrong = point(1, [1.0, 1.0])
    wrong.rounds[1]["exact"] = False
    assert summary.rows([wrong])[0].exact is False


def test_amdahls_law_is_found_again_in_points_that_follow_it() -> None:
    law = summary.fit({n: 2.0 + 8.0 / n for n in (1, 2, 3, 5)})
    assert law is not None
    assert law.serial_part == pytest.approx(0.2)
    assert law.seconds(10) == pytest.approx(2.8)


def test_no_part_of_a_fit_is_less_than_nothing_and_the_rest_fits_best() -> (
    None
):
    better_than_ideal = summary.fit({1: 10.0, 5: 1.0})
    assert better_than_ideal is not None
    assert better_than_ideal.serial_seconds == 0.0
    # b that makes (10 - b)² + (1 - b / 5)² least
    assert better_than_ideal.parallel_seconds == pytest.approx(10.2 / 1.04)
    slower = summary.fit({1: 1.0, 2: 2.0})
    assert slower == summary.Fit(1.5, 0.0)


def test_one_node_more_is_predicted_from_the_others_alone() -> None:
    seconds = {1: 10.0, 2: 6.0, 4: 4.0, 5: 99.0}
    assert summary.one_more(seconds) == pytest.approx((3.6, 99.0))
    assert summary.fit({1: 1.0}) is None


def test_a_point_is_not_measured_again_unless_rounds_are_missing(
    tmp_path: Path,
) -> None:
    store = Store(str(tmp_path / "new"))
    one = point(1, [1.0, 2.0])
    one.arguments["paths"] = ("a", "b")  # JSON has lists
    assert not store.has(one, 1)
    store.save(one)
    assert store.has(one, 2)
    assert not store.has(one, 3)
    (again,) = store.points()
    assert again.rounds == one.rounds


@pytest.mark.parametrize(
    "other", [{"arguments": {"paths": ["a"]}}, {"lab": "another lab"}]
)
def test_a_point_of_other_work_or_of_another_lab_is_measured_again(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    store, one = Store(str(tmp_path)), point(1, [1.0])
    store.save(one)
    assert store.has(one, 1)
    assert not store.has(replace(one, **other), 1)


def test_a_warm_up_is_a_tenth_and_has_work_for_each_node() -> None:
    tenth = Size(("a",) * 12, ("p",) * 5).tenth()
    assert tenth.words == ("a", "a")
    assert tenth.shuffle_bytes == 9_600_000
    assert Size(("a",), (), 60, 30).tenth().long_tasks == 5
    for work in WORKLOADS.values():  # the same team, the same server
        if work.begin:
            whole = work.arguments(Size((), ()), 5)
            assert {**work.arguments(tenth, 5), "rounds": 3} == whole


def test_the_first_whole_files_are_counted_until_there_is_enough(
    tmp_path: Path,
) -> None:
    paths = [str(tmp_path / name) for name in "abc"]
    for path in paths:
        Path(path).write_bytes(bytes(10))
    assert list(first_files(paths, 11)) == paths[:2]
    assert list(first_files(paths, 10)) == paths[:1]
    assert list(first_files(paths, 0)) == paths


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "text.txt"
    path.write_text("to be or not to be " * 50)
    return str(path)


FOR_LOOP = [n for n in WORKLOADS if n not in ("parameter-server", "dqn")]


@pytest.mark.parametrize("name", FOR_LOOP)
def test_what_is_expected_is_what_the_for_loop_gives(
    name: str, text: str
) -> None:
    jobs = {f.__name__: f for f in (count_words, sleep, shuffle)}
    work = WORKLOADS[name]
    size = Size((text,), (text,) * 5, 10, 5, 12_000)
    for nodes in (1, 3):
        arguments = work.arguments(size, nodes)
        if "seconds" in arguments:
            arguments["seconds"] = 0.0
        function = jobs[work.call.partition(":")[2]]
        with Serial() as engine:
            answer = function(engine, **arguments)
        assert answer["check"] == work.expected(arguments)
        assert work.units(arguments) > 0


def test_every_round_of_the_parameter_server_counts_once() -> None:
    work = WORKLOADS["parameter-server"]
    arguments = work.arguments(Size((), (), rounds=3), 2)
    with FromScratch(2) as engine:
        answer = train(engine, **{**arguments, "units": 2})
        assert answer["check"] == work.expected(arguments)
        other = train(engine, **{**arguments, "units": 2, "rounds": 2})
        assert other["check"] != work.expected(arguments)


def test_every_step_of_dqn_counts_once_and_agents_stand_apart() -> None:
    work = WORKLOADS["dqn"]
    arguments = {**work.arguments(Size((), (), dqn_rounds=2), 1), "steps": 80}
    crowded = {**arguments, "agents": 2}
    with open_engine("minimr", Options(2)) as engine:
        try:
            for _ in range(2):  # the second time by the same team
                answer = dqn_rounds.train(engine, **arguments)
                assert answer["check"] == work.expected(arguments)
            dqn_rounds.end(engine)  # or there was no room for two more
            both = dqn_rounds.train(engine, **crowded)["check"]
        finally:
            dqn_rounds.end(engine)
    assert both == {**work.expected(crowded), "nodes": 1}


def test_agents_of_dqn_make_all_steps_when_one_of_them_dies() -> None:
    work = WORKLOADS["dqn"]
    arguments = {**work.arguments(Size((), (), dqn_rounds=3), 2), "steps": 80}
    with open_engine("minimr", Options(2)) as engine:
        try:
            dqn_rounds.begin(engine, **arguments)
            (team,) = dqn_rounds._teams.values()
            kill(team._verbs, team._agents[1])
            team.train()  # and is one less
            answer = dqn_rounds.train(engine, **arguments)
        finally:
            dqn_rounds.end(engine)
    assert answer["reruns"] == 1
    check = {**answer["check"], "nodes": 2}  # both stand on the same one
    assert check == work.expected(arguments)


def test_as_many_steps_of_dqn_are_made_on_any_number_of_nodes() -> None:
    work = WORKLOADS["dqn"]
    for nodes in range(1, 6):
        arguments = work.arguments(Size((), ()), nodes)
        steps = nodes * dqn_rounds.ENVIRONMENTS
        assert arguments["agents"] == nodes
        assert arguments["steps"] == 480
        assert arguments["steps"] % steps == 0


def test_other_counts_have_another_check() -> None:
    assert check_counts({"a": 2, "b": 1}) == check_counts({"b": 1, "a": 2})
    assert check_counts({"a": 2, "b": 1}) != check_counts({"a": 1, "b": 2})


@pytest.fixture
def home() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="mt", dir="/tmp")
    yield folder
    shutil.rmtree(folder)


def run(home: str, *options: str) -> str:
    command = ["scaling", "--small", "--rounds", "1", "--nodes", "1,2"]
    command += ["--to", f"{home}/points", "--engines", "sockets"]
    command += [
        "--workloads",
        "shuffle,empty",
        "--failures",
        "0",
        "--loopback",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command, *options],
        cwd=ROOT,
        env={**os.environ, "MINIMR_LAB": home},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr + ended.stdout


def test_a_run_whose_time_is_up_goes_on_where_it_was(home: str) -> None:
    points = Path(home) / "points"
    first = run(home, "--minutes", "0")
    assert "the time is up" in first
    assert not list(points.glob("*.json"))
    second = run(home)
    assert "0 of 4 points are there" in second
    assert "exact" in second
    times = {p: p.stat().st_mtime_ns for p in points.glob("*.json")}
    assert len(times) == 4
    (points / "scaling-sockets-empty-2.json").unlink()
    assert "3 of 4 points are there" in run(home)
    again = {p: p.stat().st_mtime_ns for p in points.glob("*.json")}
    assert [p.name for p in times if again[p] != times[p]] == [
        "scaling-sockets-empty-2.json"
    ]
