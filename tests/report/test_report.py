"""One page from the JSON of runs: complete, alone, and with its sentences."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.common.machine import facts
from benchmarks.common.timing import Spread
from benchmarks.report import draw, scaling
from benchmarks.scaling.store import Key, Point, Store

USE = {"cpu_seconds": 0.5, "memory_bytes": 9e6, "sent_bytes": 7_000_000}
WORDS = {
    "benchmark": "wordcount",
    "settings": {},
    "results": [
        {
            "job": "combined",
            "bytes": 53_000_000,
            "summary": [
                {
                    "engine": engine,
                    "run": {"median": s, "low": s, "high": s},
                    "merged": {"median": s, "low": s, "high": s},
                    "identical": True,
                }
                for engine, s in (("sockets", 1.36), ("ray", 1.38))
            ],
            "measurements": [{"engine": "<b>ray</b>", "run_seconds": 1.38}],
        }
    ],
}


def point(kind: str, engine: str, workload: str, nodes: int) -> Point:
    one_round: dict[str, Any] = {
        "load": 1.0,
        "seconds": 8.0 / nodes + 0.1,
        "calm_seconds": 1.25,
        "exact": True,
        "killed": True,
        "reruns": 3,
        "usage": {f"n{k + 1}": USE for k in range(nodes)},
    }
    key = Key(kind, engine, workload, nodes)
    lab = f"{nodes} nodes of the test"
    rounds = [{"round": number, **one_round} for number in (1, 2)]
    return Point(key, {}, 50.0, lab, rounds, facts())


@pytest.fixture(scope="session", autouse=True)
def fonts() -> None:
    """Draw once: Matplotlib keeps the files of its fonts open."""
    draw.bars({"words": {"ray": Spread(1.0, 0.9, 1.1)}}, "title", "label")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    store = Store(str(tmp_path))
    for engine in ("sockets", "ray"):
        for nodes in (1, 2, 5):
            store.save(point("scaling", engine, "words", nodes))
            store.save(point("scaling", engine, "words-weak", nodes))
        store.save(point("failure", engine, "words", 5))
    words = {"machine": {**facts(), "command": "python -m it"}, **WORDS}
    (tmp_path / "words.json").write_text(json.dumps(words))
    (tmp_path / "other.json").write_text('{"not": "ours"}')
    return tmp_path


def report(folder: Path) -> Result:
    return CliRunner().invoke(main, ["report", str(folder)])


def test_the_page_stands_alone_and_every_figure_has_a_sentence(
    runs: Path,
) -> None:
    done = report(runs)
    assert done.exit_code == 0, done.output
    page = (runs / "report.html").read_text()
    sources = re.findall(r'src="([^"]{0,22})', page)
    assert len(sources) == 6  # overview twice, two workloads, failures, words
    assert set(sources) == {"data:image/png;base64,"}
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", page)
    assert len(captions) == 6
    assert all(caption.endswith(".") for caption in captions)
    assert not re.search(r"https?://", page)


def test_what_is_left_out_is_named(runs: Path) -> None:
    (runs / "half.json").write_text('{"benchmark": "micro"')
    (runs / "list.json").write_text("[1]")
    done = report(runs)
    assert done.exit_code == 0, done.output
    for name in ("half", "list", "other"):
        assert f"{name}.json is left out: " in done.output
    assert "words.json is left out" not in done.output


def test_the_page_has_the_numbers_and_how_they_were_made(runs: Path) -> None:
    report(runs)
    for name in ("report.html", "report.md"):
        page = (runs / name).read_text()
        # T(1) = 8.1 s, T(5) = 1.7 s
        assert "sockets 4.76 times as fast" in page
        assert "0.95" in page
        assert "1.2% of one node" in page
        assert "1 to 5 nodes of the test" in page
        assert "python -m it" in page
        assert f"numpy {facts()['packages']['numpy']}" in page


def test_one_node_more_is_held_against_amdahls_law(runs: Path) -> None:
    report(runs)
    page = (runs / "report.md").read_text()
    # T(N) = 0.1 + 8 / N: what fits 1 and 2 nodes holds for 5 and for 6
    row = "| word count | sockets | 0.100 | 8.00 | 1.2% | 5 | 1.70 | 1.70 |"
    assert f"{row} 1.43 |" in page


def test_the_ground_is_told_once_for_all_numbers_of_nodes() -> None:
    points = [
        replace(
            point("scaling", "ray", "words", n), lab=f"{n} loopback things"
        )
        for n in (1, 2, 5)
    ]
    notes = [n for section in scaling.sections(points) for n in section.notes]
    assert notes[0] == "The ground: 1 to 5 loopback things."


def test_what_runs_have_written_cannot_be_markup(runs: Path) -> None:
    report(runs)
    page = (runs / "report.html").read_text()
    assert "&lt;b&gt;ray&lt;/b&gt;" in page
    assert "<b>ray" not in page


def test_the_markdown_page_shows_pictures_that_are_there(runs: Path) -> None:
    report(runs)
    page = (runs / "report.md").read_text()
    pictures = re.findall(r"\]\((.+?\.png)\)", page)
    assert len(pictures) == 6
    for picture in pictures:
        head = (runs / picture).read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert int.from_bytes(head[16:20], "big") >= 1000  # pixels wide
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert all(line.endswith(" |") for line in rows)


def test_a_wrong_count_is_shown(runs: Path) -> None:
    wrong = point("scaling", "ray", "words", 5)
    rounds = [{**wrong.rounds[0], "exact": False}]
    Store(str(runs)).save(replace(wrong, rounds=rounds))
    report(runs)
    assert "<td>NO</td>" in (runs / "report.html").read_text()


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    done = report(tmp_path)
    assert done.exit_code == 1
    assert "no JSON of a benchmark" in done.output
