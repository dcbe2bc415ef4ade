"""The DQN benchmark: the same rules for all, and nothing is dropped."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.common.drivers import Contender
from benchmarks.common.timing import ContenderError, Sample
from benchmarks.dqn import course as course
from benchmarks.dqn import picture, summary
from benchmarks.dqn import runs as dqn_runs
from benchmarks.dqn.learners import (
    DEFAULT,
    Ours,
    StableBaselines,
    is_known,
    missing,
)
from benchmarks.dqn.runs import Folder, OtherRulesError, Run, measure_all
from dqn.algorithm.trainer import Progress
from dqn.settings import Settings

PLAN = course.Plan("CartPole-v1", (30.0, 100.0), 10.0, 2.0, 3)
QUICK = [
    *("--environment", "CartPole-v1", "--scores", "5,1e9"),
    *("--limit-s", "0.3", "--test-every-s", "0.1", "--test-games", "2"),
]


def finished(name: str, seed: int, *scores: float) -> Run:
    """Make a run that was tested each two seconds."""
    tests = [
        course.Test(2.0 * i, 3.0 * i, 100 * i, score)
        for i, score in enumerate(scores, 1)
    ]
    return Run(name, seed, 1.5, 0.1, tests)


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let matplotlib open the fonts that it never closes."""
    path = str(tmp_path_factory.mktemp("fonts") / "x.png")
    runs = [finished("single", 0, 50.0, 100.0)]
    rows = summary.summarise(runs, ["single"], PLAN)
    picture.draw(path, runs, rows, PLAN)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replace the clock by one that moves when it is told to."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    return clock


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["dqn", *map(str, arguments)])


def times_of_tests(
    rounds: list[float], scores: Callable[[int], float]
) -> list[Any]:
    """Tell when a learner was tested whose rounds ended at these times."""
    count = iter(range(1000))
    watched = course.Course(PLAN, lambda: scores(next(count)))
    for seconds in rounds:
        if not watched.go_on(seconds, 0.0, 0):
            break
    return [test.seconds for test in watched.tests]


def test_tests_are_due_at_fixed_times_however_long_rounds_are() -> None:
    short = [i / 2 for i in range(100)]
    assert times_of_tests(short, lambda _: 0) == [2.0, 4.0, 6.0, 8.0, 10.0]
    long = [0.0, 1.9, 5.1, 5.9, 6.2, 10.0, 11.0]
    assert times_of_tests(long, lambda _: 0) == [5.1, 6.2, 10.0]


def test_tests_by_steps_do_not_look_at_the_clock() -> None:
    plan = course.Plan("CartPole-v1", (30.0, 100.0), 10.0, 2.0, 3, 100)
    watched = course.Course(plan, lambda: 0.0)
    for number, steps in enumerate([0, 90, 110, 180, 200, 450, 470]):
        assert watched.go_on(float(number), 0.0, steps)
    assert [test.steps for test in watched.tests] == [110, 200, 450]
    assert not watched.go_on(10.0, 0.0, 480)  # the time is up
    assert watched.tests[-1].steps == 480


def test_a_run_ends_at_the_first_test_with_the_highest_score() -> None:
    scores = [0.0, 100.0, 500.0]
    assert times_of_tests([2.0, 4.0, 6.0], lambda i: scores[i]) == [2.0, 4.0]


def test_a_run_is_tested_once_more_when_its_time_is_up() -> None:
    assert times_of_tests([9.0, 9.5, 10.5, 99.0], lambda _: 0) == [9.0, 10.5]


def test_the_clock_of_a_learner_stands_still_during_tests(
    clock: SimpleNamespace,
) -> None:
    class Learner:
        steps = 0

        def train(self) -> Progress:
            self.steps += 7
            clock.now += 1
            return Progress(7, cpu_seconds=0.5)

        def test(self) -> float:
            clock.now += 500
            return 0.0

    contender = Ours("single", PLAN, 0)
    contender._learner = Learner()  # type: ignore[assignment]
    tests = contender.measure().facts["tests"]
    assert [test["seconds"] for test in tests] == [2, 4, 6, 8, 10]
    assert [test["cpu_seconds"] for test in tests] == [1, 2, 3, 4, 5]
    assert [test["steps"] for test in tests] == [14, 28, 42, 56, 70]


def test_the_clock_of_the_peer_stands_still_during_tests(
    clock: SimpleNamespace,
) -> None:
    def learn(steps: int, callback: Callable[..., bool]) -> None:
        model.num_timesteps += 1
        clock.now += 1
        while callback({}, {}):
            model.num_timesteps += 1
            clock.now += 1

    def average(network: Any) -> float:
        clock.now += 500
        return 0.0

    model = SimpleNamespace(num_timesteps=0, q_net=None, learn=learn)
    contender: Any = StableBaselines("sb3", PLAN, 0)
    contender._model = model
    contender._examiner = SimpleNamespace(average=average)
    tests = contender.measure().facts["tests"]
    assert [test["seconds"] for test in tests] == [2, 4, 6, 8, 10]
    assert [test["steps"] for test in tests] == [2, 4, 6, 8, 10]


def test_the_peer_learns_by_the_settings_of_the_zoo() -> None:
    pytest.importorskip("stable_baselines3")
    plan = course.Plan("CartPole-v1", (1e9,), 1.0, 0.4, 2)
    found = dqn_runs.measure("sb3", 0, plan)
    times = [test.seconds for test in found.tests]
    assert len(times) == 3
    assert times[-1] >= 1.0
    assert found.tests[0].steps < found.tests[-1].steps


def test_a_run_that_did_not_get_there_counts_as_the_longest() -> None:
    runs = [
        finished("single", 0, 10.0, 40.0, 100.0),
        finished("single", 1, 30.0, 0.0, 120.0),
        finished("single", 2, 10.0, 0.0, 20.0, 0.0, 50.0),
    ]
    (row,) = summary.summarise(runs, ["single", "sb3"], PLAN)
    thirty, hundred = row.ways
    assert thirty.seconds == summary.Spread(4.0, 2.0, 10.0)
    assert (thirty.reached, thirty.runs) == (3, 3)
    assert hundred.seconds == summary.Spread(6.0, 6.0, inf)
    assert hundred.cpu_seconds.median == 9.0
    assert hundred.steps.median == 300
    assert (hundred.reached, hundred.runs) == (2, 3)
    assert summary.cells(row, 1, [row], PLAN)[:4] == [
        *("single", "6.0", "6.0->10", "2/3"),
    ]
    assert summary.cells(row, 1, [row], PLAN)[-1] == "300"
    assert summary.as_json([row])[0]["ways"][1]["seconds"] == {
        "median": 6.0,
        "low": 6.0,
        "high": None,
    }


def test_a_ratio_says_what_is_known_of_it() -> None:
    runs = [
        finished("single", 0, 0.0, 30.0, 100.0),
        finished("sb3", 0, 0.0, 0.0, 0.0, 30.0, 30.0),
        finished("ray-2", 0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ]
    names = ["single", "ray-2", "sb3"]
    rows = summary.summarise(runs, names, PLAN)
    single, ray, sb3 = rows
    ratio = summary.ratio
    assert ratio(single, "sb3", 0, rows, PLAN) == "0.50"
    assert ratio(single, "sb3", 1, rows, PLAN) == "<0.60"
    assert ratio(ray, "single", 0, rows, PLAN) == ">2.50"
    assert ratio(ray, "sb3", 1, rows, PLAN) == "-"
    assert ratio(sb3, "single", 0, rows[1:], PLAN) == "-"


def test_a_run_that_has_ended_keeps_its_best_in_the_median() -> None:
    runs = [finished("a", 0, 100.0), finished("a", 1, 0.0, 60.0, 20.0)]
    times, middles = picture.best_so_far(runs)
    assert times == [2.0, 4.0, 6.0]
    assert middles == [50.0, 80.0, 80.0]


def test_every_seed_has_everybody_once_in_an_order_of_its_own() -> None:
    orders = [dqn_runs._order(DEFAULT, seed) for seed in range(20)]
    assert all(sorted(order) == sorted(DEFAULT) for order in orders)
    assert len({tuple(order) for order in orders}) > 15


def test_a_finished_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "runs"), PLAN)
    kept = finished("minimr-2", 3, 1.0, 50.0)
    assert folder.find("minimr-2", 3) is None
    folder.keep(kept)
    assert folder.find("minimr-2", 3) == kept
    assert folder.find("minimr-2", 4) is None
    other = course.Plan("CartPole-v1", (30.0, 100.0), 99.0, 2.0, 3)
    with pytest.raises(OtherRulesError, match="other rules"):
        Folder(str(tmp_path / "runs"), other).find("minimr-2", 3)


def test_a_benchmark_that_was_stopped_makes_no_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []

    def measure(name: str, seed: int, plan: course.Plan) -> Run:
        made.append((name, seed))
        if made.count(("b", 1)) == 1 and made[-1] == ("b", 1):
            raise KeyboardInterrupt
        return finished(name, seed, 50.0)

    monkeypatch.setattr(dqn_runs, "measure", measure)
    folder = Folder(str(tmp_path), PLAN)
    with pytest.raises(KeyboardInterrupt):
        measure_all(["a", "b"], 2, PLAN, folder, lambda line: None)
    runs, _ = measure_all(["a", "b"], 2, PLAN, folder, lambda line: None)
    assert len(runs) == 4
    assert sorted(made) == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 1)]


def test_a_run_that_fails_is_told_of_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(name: str, seed: int, plan: course.Plan) -> Run:
        if (name, seed) == ("a", 0):
            raise ContenderError("out of luck")
        return finished(name, seed, 50.0)

    monkeypatch.setattr(dqn_runs, "measure", measure)
    lines: list[str] = []
    runs, failures = measure_all(
        ["a", "b"], 2, PLAN, Folder(None, PLAN), lines.append
    )
    assert [*failures] == ["a, seed 0"]
    assert len(runs) == 3
    assert any("out of luck" in line for line in lines)
    assert any("100 not reached" in line for line in lines)


def test_runs_side_by_side_are_given_in_the_order_of_the_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = threading.Barrier(2, timeout=30)

    def measure(name: str, seed: int, plan: course.Plan) -> Run:
        together.wait()  # raises, unless another run is under way
        return finished(name, seed, 50.0)

    monkeypatch.setattr(dqn_runs, "measure", measure)
    folder = Folder(None, PLAN)
    runs, _ = measure_all(["a", "b"], 3, PLAN, folder, lambda line: None, 2)
    assert [run.seed for run in runs] == [0, 0, 1, 1, 2, 2]


@pytest.mark.usefixtures("fonts")
def test_the_command_writes_every_test_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, picture = tmp_path / "d.json", tmp_path / "d.png"
    arguments = (
        *(*QUICK, "--seeds", 1, "--contenders", "single,serial-2-weights"),
        *("--runs", tmp_path / "runs", "--json", target, "--png", picture),
    )
    ended = run(*arguments)
    assert ended.exit_code == 0, ended.output
    assert "serial-2-weights" in ended.stdout
    assert ">0.3" in ended.stdout
    document = json.loads(target.read_text())
    assert document["benchmark"] == "dqn"
    assert len(document["runs"]) == 2
    for found in document["runs"]:
        assert found["tests"][-1]["seconds"] >= 0.3
        assert found["tests"][-1]["steps"] > 0
    for row in document["summary"]:
        assert [way["reached"] for way in row["ways"]] == [1, 0]
    assert picture.read_bytes().startswith(b"\x89PNG")

    def measure(*_: Any) -> Run:
        raise AssertionError("it was there")

    monkeypatch.setattr(dqn_runs, "measure", measure)
    assert run(*arguments).exit_code == 0


class Raises(Contender):
    name = "raises"

    def measure(self) -> Sample:
        raise RuntimeError("out of luck")


def test_the_command_says_who_failed_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dqn_runs, "contender", lambda *_: Raises())
    target = tmp_path / "d.json"
    ended = run(
        *(*QUICK, "--seeds", 1, "--contenders", "single", "--json", target)
    )
    assert ended.exit_code == 1
    assert "single, seed 0 failed: RuntimeError: out of luck" in ended.stdout
    assert (
        "Traceback" in json.loads(target.read_text())["failures"].popitem()[1]
    )


@pytest.mark.parametrize(
    "name",
    [*DEFAULT, "serial-9", "ray-12-experience", "minimr-2-weights-epochs5"],
)
def test_contenders_are_known_by_their_names(name: str) -> None:
    assert is_known(name)
    assert not is_known(f"{name}-and-more")


def test_a_name_says_how_agents_share_and_how_long_a_round_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def make_team(settings: Settings, *engine: Any) -> Any:
        made.append(settings)
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr("benchmarks.dqn.learners.make_team", make_team)
    contender = Ours("serial-3-weights-epochs5", PLAN, 7)
    contender.start()
    contender.close()
    (settings,) = made
    assert (settings.num_agents, settings.share) == (3, "weights")
    assert (settings.num_epochs_agents_train, settings.seed) == (5, 7)


def test_who_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert missing("ray-4") == "ray"
    assert missing("sb3") == "stable_baselines3"
    assert missing("single") is None
    assert missing("minimr-2") is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--contenders", "single,abacus"], "'abacus' is none"),
        (["--contenders", "ray-0"], "'ray-0' is none"),
        (["--environment", "Nope-v0"], "Nope"),
        (["--environment", "Pendulum-v1"], "Discrete"),
        (["--seeds", "0"], "0 is not in the range"),
        (["--limit-s", "0"], "0.0 is not in the range"),
        (["--scores", "30,many"], "'30,many'"),
        (["--png", "no/such/folder/x"], "no/such/folder/x: No such file"),
        (["--runs", "/dev/null/runs"], "/dev/null/runs"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: Any) -> Run:
        raise AssertionError("it has started")

    monkeypatch.setattr(dqn_runs, "measure", measure)
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert complaint in ended.stderr
