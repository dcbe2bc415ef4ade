"""The arena: it measures what is right, and says why something is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.arena import cases, environments, run
from benchmarks.arena.cases import CASES, Machine, WrongResultError
from benchmarks.arena.contestants import ALL, NAMES, Contestant
from benchmarks.arena.metg import smallest
from benchmarks.arena.picture import draw
from benchmarks.arena.runtime import Runtime
from benchmarks.arena.show import COLUMNS, best, cell, markdown
from benchmarks.arena.work import spin, spun
from benchmarks.cli import main
from benchmarks.common.timing import ContenderError

BRIEF = 1e-6
MACHINE = Machine(workers=1, peak=1e7)
POOL = next(each for each in ALL if each.name == "pool")


class Here(Runtime):
    """Calls at once."""

    has_actors = True

    def start(self, workers: int) -> None:
        pass

    def stop(self) -> None:
        pass

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def result(self, handle: Any) -> Any:
        return handle

    def actor(self, kind: type) -> Any:
        return kind()

    def call(self, actor: Any, method: str, *args: Any) -> Any:
        return getattr(actor, method)(*args)


class Forgetful(Here):
    """Returns nothing."""

    def result(self, handle: Any) -> Any:
        return None


def document(**samples: dict[str, list[float]]) -> dict[str, Any]:
    """Return what a run finds, given {name: {case: values}}."""
    about = {"about": "", "threads": False, "takes_futures": True}
    return {
        "machine": {
            "cpu": "a processor", "usable_cores": 2, "ram_bytes": 2**34,
            "python": "3",
        },
        "workers": 2,
        "rounds": 3,
        "took_seconds": 1.0,
        "load_before": 0.5,
        "load_after": 1.5,
        "limits": {"socket_one_by_one": 1, "socket_at_once": 2,
                   "copy_megabytes": 3},
        "contestants": [
            {**about, "name": name, "samples": found, "failures": {},
             "batches": {}, "versions": {"package": "1.2"}}
            for name, found in samples.items()
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let matplotlib open the fonts that it never closes."""
    path = tmp_path_factory.mktemp("fonts") / "x.png"
    draw(str(path), document(minimr={"start": [1.0]}))


@pytest.mark.parametrize("overhead", [1e-5, 1e-3, 0.03])
@pytest.mark.parametrize("guess", [1e-6, 1e-3, 0.1])
def test_tasks_are_long_enough_when_half_of_their_time_is_work(
    overhead: float, guess: float
) -> None:
    found = smallest(lambda busy: busy / (busy + overhead), guess, 1.0)
    assert found == pytest.approx(2 * overhead, rel=0.2)


@pytest.mark.parametrize("moment", range(8))
def test_a_moment_of_other_programs_does_not_end_the_search(
    moment: int,
) -> None:
    tried = 0

    def efficiency(busy: float) -> float:
        nonlocal tried
        tried += 1
        return 0.1 if tried == moment else busy / (busy + 1e-4)

    found = smallest(efficiency, 0.02, 1.0)
    assert found == pytest.approx(2e-4, rel=0.2)


def test_the_search_begins_where_a_warm_runtime_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guesses: list[float] = []
    took = iter([3.0, 0.004])  # seconds for some tasks: cold, warm
    monkeypatch.setattr(cases, "_took", lambda run, number: next(took))
    monkeypatch.setattr(
        cases, "smallest", lambda _, guess, limit: guesses.append(guess) or 1.0
    )
    CASES["metg"](Here(), BRIEF, MACHINE)
    assert guesses == [0.004 / cases.FEW]


def test_no_task_is_long_enough_where_half_is_never_reached() -> None:
    tried: list[float] = []
    assert smallest(lambda busy: tried.append(busy) or 0.4, 1e-3, 1.0) == 0.0
    assert max(tried) <= 1.0


def test_all_tasks_are_long_enough_where_a_call_costs_nothing() -> None:
    assert smallest(lambda busy: 1.0, 1e-3, 1.0) < 1e-5


@pytest.mark.parametrize("iterations", range(9))
def test_what_a_busy_loop_returns_is_known(iterations: int) -> None:
    assert spin(iterations) == spun(iterations)


@pytest.mark.parametrize("case", CASES)
def test_a_case_measures_what_is_right(case: str) -> None:
    assert CASES[case](Here(), BRIEF, MACHINE).value > 0


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_no_measurement(case: str) -> None:
    with pytest.raises((WrongResultError, TypeError)):
        CASES[case](Forgetful(), BRIEF, MACHINE)


def test_the_first_is_the_best_of_those_with_processes() -> None:
    found = document(
        slow={"one_by_one": [1.0, 2.0, 3.0], "start": [3.0]},
        fast={"one_by_one": [7.0, 8.0, 9.0], "start": [5.0]},
        threads={"one_by_one": [100.0]},
    )
    found["contestants"][-1]["threads"] = True
    columns = {column.case: column for column in COLUMNS}
    assert best(found, columns["one_by_one"]) == "fast"
    assert best(found, columns["start"]) == "slow"
    assert best(found, columns["chain"]) is None


def test_a_cell_has_median_and_interval_or_says_that_there_is_none() -> None:
    found = document(some={"one_by_one": [1.0, 5.0, 4000.0], "metg": [0.0]})
    (some,) = found["contestants"]
    some["failures"] = {"chain": {"reason": "broken", "details": ""}}
    cells = {column.case: cell(some, column) for column in COLUMNS}
    assert cells["one_by_one"] == "5.00 (1.00-4,000)"
    assert cells["chain"] == "failed"
    assert cells["fan_in"] == "-"
    assert cells["metg"] == "none"
    text = markdown(found)
    assert "| some | **5.00 (1.00-4,000)** |" in text
    assert "- some, chain failed: broken" in text
    assert "load average before: 0.50, after: 1.50" in text


def test_an_environment_that_is_not_there_says_how_to_make_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(ContenderError, match=r"pool is missing: .*--build"):
        environments.python(tmp_path, POOL)


def test_an_environment_is_of_the_versions_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Contestant] = []

    def make(folder: Path, contestant: Contestant) -> str:
        made.append(contestant)
        (folder / "pool").mkdir(exist_ok=True)
        return "does not install: no" if contestant is other else ""

    other = replace(POOL, requirements=("some==2",))
    monkeypatch.setattr(environments, "_make", make)
    for _ in range(2):
        environments.build(tmp_path, [POOL], lambda line: None)
    assert made == [POOL]
    assert environments.python(tmp_path, POOL).startswith(str(tmp_path))
    with pytest.raises(ContenderError, match="of other versions"):
        environments.python(tmp_path, other)
    environments.build(tmp_path, [other], lambda line: None)
    with pytest.raises(ContenderError, match="does not install: no"):
        environments.python(tmp_path, other)


@pytest.mark.usefixtures("fonts")
def test_a_run_checks_all_and_says_who_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "copy_gigabytes", lambda seconds: 1.0)
    target, picture = tmp_path / "a.json", tmp_path / "a.png"
    ended = CliRunner().invoke(
        main,
        [
            *("arena", "--here", "--only", "minimr,pool,hyperqueue"),
            *("--rounds", "1", "--seconds", "0.001", "--workers", "1"),
            *("--json", str(target), "--png", str(picture)),
        ],
    )
    assert ended.exit_code == 0, ended.output
    assert "hyperqueue, start failed: ModuleNotFoundError" in ended.output
    found = json.loads(target.read_text())
    minimr, pool, absent = found["contestants"]
    assert not minimr["failures"]
    assert minimr["samples"].keys() == {*CASES, "start", "memory"}
    assert pool["samples"].keys() == {
        case for case in minimr["samples"] if not case.startswith("actor")
    }
    assert absent["samples"] == {}
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = CliRunner().invoke(main, ["arena", "--load", str(target)])
    assert again.exit_code == 0, again.output
    assert "hyperqueue, start failed" in again.output


def test_a_round_for_which_there_is_no_time_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter(range(0, 10_000, 60))  # a minute from look to look
    clock = SimpleNamespace(perf_counter=lambda: next(now))
    monkeypatch.setattr(run, "time", clock)
    monkeypatch.setattr(run, "copy_gigabytes", lambda seconds: 1.0)
    monkeypatch.setattr(run, "socket_rates", lambda seconds: (1.0, 1.0))
    monkeypatch.setattr(run, "peak", lambda workers, seconds: 1.0)
    said: list[str] = []
    arena = run.Arena(lambda _: "", [], 1, 0.1, 4.0, said.append)
    found = arena.run([], 5, 0)
    assert 0 < found["rounds"] < 5
    assert said == [f"the time is up after {found['rounds']} of 5 rounds"]


@pytest.mark.parametrize("name", NAMES)
def test_every_contestant_has_an_adapter(name: str) -> None:
    contestant = next(each for each in ALL if each.name == name)
    module, _, kind = contestant.adapter.partition(":")
    folder = Path(environments.__file__).parent / "adapters"
    source = (folder / f"{module}.py").read_text()
    assert f"class {kind}(" in source
    assert all("==" in each for each in contestant.requirements)
