"""Another future of a simulated run, asked for on its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from lecture import page
from lecture.futures import Futures
from lecture.stage import PressError
from lecture.trace import Run, read
from minimr.cli.show import run_of, show, simulated
from tests.lecture.conftest import Tab
from tests.lecture.live import served
from tests.lecture.runs import with_a_death as death

Show = Callable[..., Tab]
WHAT = ("wordcount",)
SEED = 3
RIGHT = "\ue014"
TO_AN_ORDER = (
    "void page.stepTo(page.state.model.events.findIndex((event) =>"
    " event.message && event.message.name === 'RunMap'))"
)
CHOICES = (
    "[...document.querySelectorAll('button.choice')]"
    ".map((each) => each.innerText)"
)


def click(tab: Tab, words: str) -> None:
    tab.js(
        "void [...document.querySelectorAll('button.choice')]"
        f".find((each) => each.innerText.startsWith({words!r})).click()"
    )


@pytest.fixture(scope="module")
def calm() -> Run:
    made: Run = run_of(WHAT, SEED, {})
    return made


def test_a_page_asks_for_another_future_and_shows_both(tab: Tab) -> None:
    with served(simulated(WHAT, SEED, {})) as address:
        tab.open(address)
        tab.press("2")
        tab.js(TO_AN_ORDER)
        step = tab.js("page.state.step")
        victim = tab.js("page.state.model.events[page.state.step].target")
        assert f"kill {victim} now" in tab.js(CHOICES)
        click(tab, "kill")
        tab.until("page.state.models.length === 2")
        tab.until("page.state.tab === 'compare'")
        told = tab.js("document.getElementById('difference').innerText")
        assert f"step {step + 2}, branch: kill {victim}" in told
        tab.js("void document.querySelectorAll('#difference li')[1].click()")
        assert tab.js("page.state.step") == step + 1
        tab.press("2")
        tab.js("void page.stepIn(page.state.models[0], 0)")
        tab.js(TO_AN_ORDER)
        click(tab, "deliver")
        tab.until("page.state.models[1].about.program.includes('first=')")
        tab.leave()


def test_a_future_that_cannot_be_is_refused_with_its_reason(
    tab: Tab, calm: Run
) -> None:
    def play(branch: str) -> Run:
        raise ValueError("there is none")

    with pytest.raises(PressError, match="there is none"):
        Futures([calm], play).press("branch", "1:kill=a")
    with served(Futures([calm], play)) as address:
        tab.open(address)
        tab.press("2")
        tab.js(TO_AN_ORDER)
        click(tab, "kill")
        tab.until("document.getElementById('keys').open")
        told = tab.js("document.getElementById('keys').innerText")
        assert "refused: there is none" in told
        assert tab.js("page.state.models.length") == 1
        # the browser itself notes an answer that is no success
        assert all("409" in line for line in tab.complaints())
        tab.leave()


def test_a_file_says_which_command_shows_it(show: Show, calm: Run) -> None:
    tab = show(calm, link="#view=step")
    tab.js(TO_AN_ORDER)
    click(tab, "kill")
    told = tab.js("document.getElementById('keys').innerText")
    assert "minimr show wordcount --seed 3 --branch '" in told
    assert ":kill=worker " in told


def test_a_link_names_the_seed_and_the_event(show: Show, calm: Run) -> None:
    tab = show(death(), calm, link="#seed=3&event=12")
    assert tab.js("page.state.tab") == "step"
    assert tab.js("page.state.step") == 12
    assert tab.js("page.state.model.about.seed") == 3
    assert "seed=3&t=" in tab.js("location.hash")


def test_a_trace_cannot_make_a_command_that_does_more(
    show: Show, calm: Run
) -> None:
    bad = Run({**calm.about, "command": "minimr show; rm -r x"}, calm.lines)
    tab = show(bad, link="#view=step")
    tab.js(TO_AN_ORDER)
    click(tab, "kill")
    told = tab.js("document.getElementById('keys').innerText")
    assert "rm -r" not in told
    assert "not fit for a command" in told


def test_a_command_shows_both_futures(tmp_path: Path, calm: Run) -> None:
    orders = (m for m in calm.of("message") if m["name"] == "RunMap")
    order = next(orders)
    branch = f"{order['entry']}:kill={order['target']}"
    path = tmp_path / "both.jsonl"
    given = [*WHAT, "--seed", str(SEED), "--branch", branch]
    done = CliRunner().invoke(show, [*given, "--trace", str(path)])
    assert done.exit_code == 0, done.output
    one, other = read(path.read_text("utf-8").splitlines())
    assert one.lines == calm.lines
    assert any("branch: kill" in s["text"] for s in other.of("story"))
    assert "<canvas" in page.html([one, other])


def test_a_branch_goes_with_a_seed() -> None:
    done = CliRunner().invoke(show, ["x.jsonl", "--branch", "1:kill=a"])
    assert done.exit_code == 2
    assert "--branch goes with --seed" in done.output
