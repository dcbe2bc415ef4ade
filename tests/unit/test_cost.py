"""The cost benchmark at a tiny size, and its program in C."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.cli import main
from benchmarks.common.timing import Measurement, Outcome, Sample, Spread
from benchmarks.cost.crossing import Crossing, crossings
from benchmarks.cost.main import Measured, lab_of, report
from benchmarks.cost.nodes import measure as measure_in_lab
from benchmarks.cost.picture import apart, draw
from benchmarks.cost.single import C, single_threads, what_is_missing
from benchmarks.cost.works import KINDS, of_kind
from benchmarks.lab.plan import LabError, Plan
from benchmarks.lab.team import Team
from benchmarks.wordcount.work import Work
from minimr.serial.mapreduce import MapReduce as Serial
from minimr.shared.mapreduce.tasks import do_map_task, do_reduce_task
from tests.unit.texts import CONTENT, counted

needs_c = pytest.mark.skipif(
    shutil.which("cc") is None, reason="no C compiler (cc)"
)


def spread(middle: float) -> Spread:
    return Spread(middle, middle - 0.1, middle + 0.1)


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let matplotlib open the fonts that it never closes."""
    path = tmp_path_factory.mktemp("fonts") / "x.png"
    draw(str(path), "x", {"x": spread(1)}, {"n": {"y": {1: spread(2)}}}, [])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[C]:
    path = tmp_path_factory.mktemp("c") / "text"
    contender = C(Work("combined", (str(path),), 1, 1, 1))
    contender.start()
    yield contender
    contender.close()


def counts_of(contender: C, content: bytes) -> Mapping[str, int]:
    Path(contender.work.paths[0]).write_bytes(content)
    return contender.merge(contender.run())


def test_the_fewest_workers_that_beat_a_thread_are_the_crossing() -> None:
    threads = {"loop": spread(2.0), "c": spread(0.3)}
    times = {1: spread(2.0), 2: spread(1.5), 3: spread(0.9)}
    assert crossings(threads, {"sockets": times, "ray": {}}) == [
        Crossing("sockets", "loop", 2),
        Crossing("ray", "loop", None),
        Crossing("sockets", "c", None),
        Crossing("ray", "c", None),
    ]


@needs_c
@settings(max_examples=50, deadline=None)
@given(content=CONTENT)
def test_c_counts_any_bytes_as_python_does(program: C, content: bytes) -> None:
    assert counts_of(program, content) == counted(content)


@needs_c
def test_c_counts_more_words_than_its_first_table_holds(program: C) -> None:
    words = [f"Word{number}" for number in range(50_000)] * 2
    counts = counts_of(program, " ".join(words).encode())
    assert counts == Counter(word.lower() for word in words)


@pytest.mark.parametrize("kind", ["index", "sort"])
@settings(max_examples=25, deadline=None)
@given(contents=st.lists(CONTENT, min_size=1, max_size=4), data=st.data())
def test_other_work_has_the_result_of_its_threads(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    contents: list[bytes],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp(kind)
    paths = []
    for number, content in enumerate(contents):
        paths.append(str(folder / str(number)))
        Path(paths[-1]).write_bytes(content)
    numbers = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 4)))
    work = of_kind(kind, Work("combined", tuple(paths), 1, *numbers))
    blocks = [do_map_task(work.job, s, numbers[1])[0] for s in work.splits]
    found: dict[Any, Any] = {}
    for column in zip(*blocks, strict=True):
        found.update(do_reduce_task(work.job, column)[0])
    for name, thread in single_threads(work).items():
        if what_is_missing(name) is None:
            assert work.summary(thread.run()) == work.summary(found), name


FACTS = {"words": 1, "fingerprint": "x", "peak_rss_bytes": 1}


def ran(*seconds: float) -> Outcome:
    names = ["loop", "ray x 1", "ray x 1 nodes", "ray x 2 nodes"]
    samples = (Sample({"run": s, "merged": s}, FACTS) for s in seconds)
    return Outcome(
        [Measurement(n, 1, s) for n, s in zip(names, samples, strict=True)]
    )


@pytest.mark.usefixtures("fonts")
def test_nodes_of_a_lab_are_counted_beside_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text"
    text.write_text("one")
    engines = {
        "ray": {1: "ray x 1"},
        "ray on nodes": {1: "ray x 1 nodes", 2: "ray x 2 nodes"},
    }
    measured = Measured(
        Work("combined", (str(text),), 1, 1, 1),
        ["loop"],
        engines,
        ran(1.0, 2.0, 3.0, 0.5),
        (0.0, 0.0),
        Plan("x", "/x", "namespaces", 2, cpu_share=0.3),
    )
    assert measured.crossed("run") == [
        Crossing("ray", "loop", None),
        Crossing("ray on nodes", "loop", 2),
    ]
    panels = measured.panels("run")
    assert [*panels] == ["workers", "nodes with 0.3 of a core"]
    report(measured, 1)
    assert "2 network namespaces on a bridge, 0.3 of a core" in (
        capsys.readouterr().out
    )
    picture = tmp_path / "c.png"
    threads = measured.of_threads("run")
    draw(str(picture), "x", threads, panels, measured.crossed("run"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_shares_of_a_core_there_is_no_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert lab_of(0, 0.3) is None
    monkeypatch.setattr("benchmarks.lab.namespaces.why_not", lambda: "no")
    with pytest.raises(LabError, match="no share of a core here: no"):
        lab_of(2, 0.3)


class Idle(Team):
    """A team of which one node never takes part."""

    def __init__(self, log: Path) -> None:
        self.engine, self.log = "minimr", log

    def _is_not_ready(self) -> str:
        return "['n2'] do not work"


def test_the_error_of_a_lab_that_goes_away_has_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    log = tmp_path / "minimr.log"
    log.write_text("n2 has no memory")
    with pytest.raises(LabError, match=r"(?s)do not work.*n2 has no memory"):
        Idle(log).await_nodes(timeout_s=-1)


@pytest.mark.parametrize(
    ("heights", "places"),
    [
        ([1.0, 2.0, 9.0], [1.0, 2.0, 9.0]),
        ([1.0, 1.0, 1.5, 9.0], [1.0, 2.0, 3.0, 9.0]),
        ([], []),
    ],
)
def test_names_of_threads_that_are_equally_fast_can_be_read(
    heights: list[float], places: list[float]
) -> None:
    assert apart(heights, 1.0) == places


@pytest.mark.parametrize("kind", [*KINDS])
def test_an_engine_in_the_lab_does_the_work_it_was_told(
    tmp_path: Path, kind: str
) -> None:
    text = tmp_path / "text"
    text.write_text("one Two three\n two THREE three " * 20)
    work = of_kind(kind, Work("combined", (str(text),), 1, 2, 2))
    with Serial() as engine:
        about = json.loads(json.dumps({**asdict(work), "kind": kind}))
        sample = Sample(**measure_in_lab(engine, **about))
    expected = work.summary(single_threads(work)["loop"].run())
    assert expected.items() <= sample.facts.items()
    assert sample.seconds.keys() == {"run", "merged"}


@pytest.mark.usefixtures("fonts")
def test_a_run_says_how_many_workers_beat_each_thread(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("one Two three\n two THREE three " * 20)
    target, picture = tmp_path / "c.json", tmp_path / "c.png"
    ended = CliRunner().invoke(
        main,
        [
            *("cost", str(text), "--rounds", "1", "--workers", "2"),
            *("--threads", "loop,map", "--engines", "sockets"),
            *("--json", str(target)),
            *("--png", str(picture)),
        ],
    )
    assert ended.exit_code == 0, ended.output
    assert "load average before" in ended.output
    document = json.loads(target.read_text())
    threads = {"loop", "map"}
    rows = {row["engine"]: row for row in document["summary"]}
    assert rows.keys() == threads | {"sockets x 1", "sockets x 2"}
    assert all(row["identical"] for row in rows.values())
    for what in ("run", "merged"):
        assert {c["thread"] for c in document["crossings"][what]} == threads
    assert picture.read_bytes().startswith(b"\x89PNG")
