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
from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.common.documents import END, START, put
from benchmarks.common.machine import facts
from benchmarks.common.timing import Spread
from benchmarks.lab.plan import Plan
from benchmarks.scaling import dqn_rounds, quota, show, summary
from benchmarks.scaling.cli import first_files
from benchmarks.scaling.document import markdown
from benchmarks.scaling.jobs import check_counts, count_words, shuffle, sleep
from benchmarks.scaling.run import Run, Visit, Wanted
from benchmarks.scaling.store import Key, Point, Store
from benchmarks.scaling.training import train
from benchmarks.scaling.workloads import WORKLOADS, Size
from minimr.ladder import Options, open_engine
from minimr.serial.mapreduce import MapReduce as Serial
from minimr.sockets.cluster.tracker import Policy
from minimr.sockets.mapreduce import MapReduce as FromScratch
from tests.contract.test_dqn import kill

ROOT = Path(__file__).parents[2]


def point(
    nodes: int, seconds: list[float], workload: str = "words", cpu: float = 0.5
) -> Point:
    use = {"cpu_seconds": cpu, "memory_bytes": 9 * nodes, "sent_bytes": 7}
    usage = {f"n{k}": use for k in range(1, nodes + 1)}
    rounds = [
        {"round": n, "seconds": s, "exact": True, "usage": usage, "load": 1.0}
        for n, s in enumerate(seconds, 1)
    ]
    key = Key("scaling", "sockets", workload, nodes)
    return Point(key, {}, 60.0, "a lab", rounds, facts())


def test_an_efficiency_is_of_one_and_the_same_round() -> None:
    one, four = summary.rows(
        [point(1, [8.0, 9.0, 80.0]), point(4, [4.0, 3.0, 25.0])]
    )
    assert one.efficiency == one.speed_up == Spread(1.0, 1.0, 1.0)
    assert four.efficiency == Spread(0.75, 0.5, 0.8)
    assert four.speed_up == Spread(3.0, 2.0, 3.2)
    assert four.throughput == 15.0
    assert four.wire_bytes == 28
    assert four.cpu_seconds.median == 2.0
    assert four.seconds == Spread(4.0, 3.0, 25.0)


def test_a_round_that_one_node_has_not_had_is_in_no_efficiency() -> None:
    _, two = summary.rows([point(1, [2.0]), point(2, [1.0, 9.0])])
    assert two.efficiency == Spread(1.0, 1.0, 1.0)
    (alone,) = summary.rows([point(2, [1.0])])
    assert alone.efficiency is alone.speed_up is None


def test_with_n_times_the_work_the_same_time_is_an_efficiency_of_one() -> None:
    _, four = summary.rows(
        [point(1, [2.0], "words-weak"), point(4, [2.0], "words-weak")]
    )
    assert four.efficiency == four.cpu_efficiency == Spread(1.0, 1.0, 1.0)
    assert four.speed_up == Spread(4.0, 4.0, 4.0)


@pytest.mark.parametrize("name", [n for n, w in WORKLOADS.items() if w.weak])
def test_n_nodes_have_n_times_the_tasks_of_one(name: str) -> None:
    work = WORKLOADS[name]
    size = Size(("words",), ("a", "b", "c", "d", "e"))
    one, five = (work.arguments(size, nodes) for nodes in (1, 5))
    tasks = [name for name in one if name.endswith("tasks")]
    assert tasks
    assert [5 * one[name] for name in tasks] == [five[name] for name in tasks]


def test_the_same_work_is_timed_after_each_pause() -> None:
    ended = CliRunner().invoke(main, ["pauses", "--times", "1"])
    assert ended.exit_code == 0, ended.output
    lines = ended.output.splitlines()
    shown = {line.split()[0] for line in lines if line.strip()}
    assert shown >= {"0", "1", "10", "100"}


def test_cpu_seconds_have_an_efficiency_of_their_own() -> None:
    _, two = summary.rows([point(1, [2.0], cpu=0.6), point(2, [1.0], cpu=0.4)])
    assert two.efficiency == Spread(1.0, 1.0, 1.0)
    assert two.cpu_efficiency is not None
    assert two.cpu_efficiency.median == pytest.approx(0.75)


def test_what_took_less_than_a_tick_has_no_efficiency_by_cpu_seconds() -> None:
    none = point(1, [3.0], cpu=0.0)
    one, two = summary.rows([none, point(2, [1.0])])
    assert one.cpu_efficiency is two.cpu_efficiency is None
    assert two.efficiency == Spread(1.5, 1.5, 1.5)
    (note,) = show.above([one, two])
    assert "1.50, of too few CPU seconds" in note


def test_an_efficiency_above_one_is_marked_and_its_factors_named() -> None:
    # 2.4 s on one node of 0.25 of a core, 1 s on two of 0.3: no less work
    more_share = [point(1, [2.4], cpu=0.6), point(2, [1.0], cpu=0.3)]
    other_work = point(1, [9.0], "shuffle", cpu=9.0)
    rows = summary.rows([*more_share, other_work])
    assert [row.is_above for row in rows] == [False, True, False]
    (note,) = show.above(rows)
    assert "1.20 = 1.00 (CPU seconds: 0.60 on one node, 0.60 on all)" in note
    assert "x 1.20 (of a core: 0.250 on one, 0.300 on each)" in note
    assert show.cells(rows[1])[4] == "*1.20 (1.20-1.20)"
    assert not show.above(summary.rows([point(1, [2.0]), point(2, [0.99])]))


def spun(nodes: int, *rounds: list[tuple[float, int]]) -> Point:
    spinners = [
        {f"n{k}": {"seconds": 2.0, "cpu_seconds": used, "counts": counts}
         for k, (used, counts) in enumerate(each)}
        for each in rounds
    ]  # fmt: skip
    made = [{"spinners": each, "load": 1.0} for each in spinners]
    arguments = {"cpu_share": 0.3}
    return Point(quota.key(nodes), arguments, 0.0, "a lab", made, facts())


def test_what_spinners_got_is_over_all_nodes_and_rounds() -> None:
    two = spun(2, [(0.6, 60), (0.8, 60)], [(0.6, 60), (0.4, 40)])
    one, both = quota.shares([two, spun(1, [(0.5, 100)])])
    assert (one.nodes, one.asked, one.got.median) == (1, 0.3, 0.25)
    assert both.got == Spread(0.3, 0.2, 0.4)
    assert both.speed == Spread(0.5, 0.375, 0.5)
    assert quota.shares([]) == []


def wanted(nodes: tuple[int, ...] = (1, 2, 3), failures: int = 1) -> Wanted:
    plan = Plan("mr", "/nowhere", "namespaces", max(nodes), cpu_share=0.3)
    size = Size(("a",), ("b",) * 5)
    engines, work = ("sockets", "minimr"), ("sleep-100ms", "dqn")
    return Wanted(plan, engines, work, nodes, size, 2, failures, 0.0)


def test_every_round_visits_every_engine_on_every_number_of_nodes(
    tmp_path: Path,
) -> None:
    missing = list(Run(wanted(), Store(str(tmp_path))).missing())
    assert [number for number, *_ in missing] == [1] * 9 + [2] * 9
    first, second = ([visit for _, visit, _ in half] for half in
                     (missing[:9], missing[9:]))  # fmt: skip
    who = [*wanted().engines, quota.NOBODY]
    assert set(first) == {Visit(e, n) for e in who for n in (1, 2, 3)}
    assert set(first) == set(second)
    assert first != second  # an order of its own
    assert [v.nodes for v in first] != sorted(v.nodes for v in first)
    for _, visit, keys in missing:
        dqn = visit.engine == "minimr"
        assert ("dqn" in [key.workload for key in keys]) is dqn


def test_a_node_dies_on_most_nodes_in_the_first_rounds_and_at_the_end(
    tmp_path: Path,
) -> None:
    run = Run(wanted(failures=1), Store(str(tmp_path)))
    for number, visit, keys in run.missing():
        kinds = [key.kind for key in keys]
        assert ("failure" in kinds) is (
            number == 1 and visit.nodes == 3 and visit.engine != quota.NOBODY
        )
        assert kinds == sorted(kinds, reverse=True)


def test_a_round_on_disk_is_not_measured_again(tmp_path: Path) -> None:
    store, want = Store(str(tmp_path)), wanted()
    key = Key("scaling", "sockets", "sleep-100ms", 2)
    one = want.empty(key)
    one.rounds.append({"round": 1, "seconds": 1.0})
    store.save(one)
    left = [
        number for number, _, keys in Run(want, store).missing() if key in keys
    ]
    assert left == [2]


def test_a_document_gets_the_results_between_its_comments(
    tmp_path: Path,
) -> None:
    points = [point(1, [2.0]), point(2, [0.9]), spun(1, [(0.6, 9)])]
    text = markdown(points)
    assert "| word count | `sockets` | 2.00 (2.00-2.00) | 0.900 " in text
    assert "| *1.11 (1.11-1.11) |" in text
    assert "- * words, sockets, 2 nodes: 1.11 = " in text
    assert "All results exact." in text
    assert "| 1 | 0.300 | 0.300 (0.300-0.300) |" in text
    page = tmp_path / "page.md"
    start, end = START.format("scaling"), END.format("scaling")
    page.write_text(f"before\n{start}old{end}\nafter\n")
    for _ in range(2):  # and again
        put(str(page), "scaling", text)
        assert page.read_text() == (
            f"before\n{start}\n{text}\n\n{end}\nafter\n"
        )
    with pytest.raises(ValueError, match="put them where"):
        put(str(page), "other", text)


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


def test_rounds_come_back_from_disk(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "new"))
    one = point(1, [1.0, 2.0])
    one.arguments["paths"] = ("a", "b")  # JSON has lists
    empty = replace(one, rounds=[])
    assert store.load(empty) is empty
    store.save(one)
    assert store.load(empty).rounds == one.rounds
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
    assert store.load(one).rounds
    empty = replace(one, rounds=[], **other)
    assert store.load(empty) is empty


def test_a_warm_up_has_the_memory_of_a_round_and_work_for_each_node() -> None:
    whole = Size(("a",) * 12, ("p",) * 5)
    warm = whole.warm_up()
    assert (warm.words, warm.shuffle_bytes) == (whole.words, 96_000_000)
    assert (warm.long_tasks, Size((), (), 60, 30).warm_up().long_tasks) == (
        6,
        5,
    )
    for work in WORKLOADS.values():  # the same team, the same server
        if work.begin:
            arguments = work.arguments(whole, 5)
            assert {**work.arguments(warm, 5), "rounds": 3} == arguments


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
    never = Policy(backup_after_s=60)  # a backup task would push once more
    with FromScratch(2, policy=never) as engine:
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
    assert "0 of 4 measurements are there" in second
    assert "exact" in second
    times = {p: p.stat().st_mtime_ns for p in points.glob("*.json")}
    assert len(times) == 4
    (points / "scaling-sockets-empty-2.json").unlink()
    assert "3 of 4 measurements are there" in run(home)
    again = {p: p.stat().st_mtime_ns for p in points.glob("*.json")}
    assert [p.name for p in times if again[p] != times[p]] == [
        "scaling-sockets-empty-2.json"
    ]
