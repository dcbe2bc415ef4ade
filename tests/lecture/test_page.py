"""The page as a file: all in it, small, and nothing but texts from a trace."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path

import pytest

from lecture import page
from lecture.hops import PLACES, code_of, hops
from tests.lecture.runs import hostile, run, task, thousand, with_a_death

ROOT = Path(__file__).parents[2]


class Tags(html.parser.HTMLParser):
    """Collects the tags of a page, and the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def test_hostile_texts_stay_data() -> None:
    plain, bad = (
        Tags(page.html([each])) for each in (with_a_death(), hostile())
    )
    assert [tag for tag, _ in bad.tags] == [tag for tag, _ in plain.tags]
    names = [line["name"] for line in hostile().of("task")]
    told = json.loads(bad.scripts[0])["runs"][0]["tasks"]
    assert [line["name"] for line in told] == names


def test_nothing_is_loaded_from_elsewhere() -> None:
    made = Tags(page.html([with_a_death()]))
    for _, attributes in made.tags:
        assert not {"src", "href", "action"} & set(attributes)
    policy = dict(made.tags)["meta"]
    told = [a.get("content") for t, a in made.tags if t == "meta"]
    assert policy
    assert any("default-src 'none'" in (text or "") for text in told)
    scripts = "".join(
        (ROOT / "lecture/page" / name).read_text("utf-8")
        for name in (*page.SCRIPTS, "page.css")
    )
    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\(", scripts)
    assert "innerHTML" not in scripts
    assert "eval(" not in scripts


def test_a_run_of_a_thousand_tasks_is_below_two_megabytes() -> None:
    assert len(page.html([thousand()]).encode()) < 2_000_000


@pytest.mark.parametrize("engine", PLACES)
def test_the_code_behind_each_step_is_there(engine: str) -> None:
    for step, found in hops(engine).items():
        assert found, step
        for hop in found:
            assert hop["text"].startswith(("def ", "async def", "@")) or (
                engine == "ray"
            )


def test_code_that_is_gone_is_noticed() -> None:
    with pytest.raises(KeyError):
        code_of("minimr/core/process/tasks.py", "Tasks.gone")


def test_a_run_with_nothing_in_it_is_a_page() -> None:
    assert "<canvas" in page.html([run()])
    waiting = task("f", 0, 0, state="WAITING")
    assert "<canvas" in page.html([run(waiting)])
