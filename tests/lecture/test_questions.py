"""Questions: a docstring has them, a trace carries them, the page asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lecture.command import demos
from lecture.questions import ASK, questions, without_questions
from lecture.trace import TraceError, read, write
from tests.lecture.conftest import Tab
from tests.lecture.runs import hostile, run
from tests.lecture.runs import with_a_death as death

Show = Callable[..., Tab]
HERE = Path(__file__).parents[2] / "lecture/demos"
RIGHT, ENTER = "\ue014", "\ue007"
TEXT = """What this is.

Watch: what there is to see.

Ask before retry: what will
happen?
- an error
+ it runs again
Because: its owner
sends it again.

Ask: who begins?
+ f
- g
Because: g takes what f makes.
"""


def test_a_docstring_has_questions_with_their_moments() -> None:
    later, first = questions(TEXT, death())
    assert later == {
        "kind": "question",
        "at": 0.3,
        "text": "what will happen?",
        "choices": ["an error", "it runs again"],
        "right": 1,
        "why": "its owner sends it again.",
    }
    assert (first["at"], first["right"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("before", "at"),
    [("f begins", 0.1), ("f ends", 0.3), ("g ends", 0.9), ("h ends", 0.0)],
)
def test_a_question_is_asked_before_a_moment(before: str, at: float) -> None:
    text = TEXT.replace("before retry", f"before {before}")
    assert next(questions(text, death()))["at"] == at


def test_the_terminal_does_not_give_the_answer_away() -> None:
    told = without_questions(TEXT)
    assert told.endswith("what there is to see.")


def test_more_than_six_demos_ask() -> None:
    texts = [(HERE / f"{name}.py").read_text("utf-8") for name in demos()]
    docs = [text.split('"""')[1] for text in texts]
    asking = [doc for doc in docs if "\nAsk" in doc]
    assert len(asking) > 6
    for doc in asking:
        found = list(questions(doc, death()))
        assert len(found) == doc.count("\nAsk")
        assert all(len(each["choices"]) > 1 for each in found)
        assert all(m["choices"].count("\n+ ") < 2 for m in ASK.finditer(doc))


def test_a_trace_carries_questions_and_refuses_half_of_one() -> None:
    made = run(*questions(TEXT, death()))
    (again,) = read(write([made]).splitlines())
    assert again.lines == made.lines
    half = {**made.lines[0]}
    del half["why"]
    with pytest.raises(TraceError, match="'question' has no 'why'"):
        read(write([run(half)]).splitlines())


def test_the_page_stops_asks_and_answers(show: Show) -> None:
    asking = death()
    asking.lines += questions(TEXT.replace("Ask: who", "Ask: how"), asking)
    tab = show(asking, link="#view=step&event=0")
    dialog = "document.getElementById('question')"
    tab.press(RIGHT)
    assert "how begins?" in tab.js(f"{dialog}.innerText")
    assert tab.js("page.state.step") == 0
    tab.press("2")
    assert "takes what f makes" not in tab.js(f"{dialog}.innerText")
    tab.press(ENTER)
    told = tab.js(f"{dialog}.innerText")
    assert "1 f ✓" in told
    assert "2 g ✗" in told
    assert "g takes what f makes" in told
    tab.press(ENTER)
    assert tab.js(f"{dialog}.open") is False
    while not tab.js(f"{dialog}.open"):
        tab.press(RIGHT)
    at = "page.state.model.events[page.state.step {}].at"
    assert tab.js(at.format("")) < 0.3 <= tab.js(at.format("+ 1"))
    tab.press("2", ENTER, ENTER, RIGHT)
    assert tab.js(at.format("")) == 0.3
    tab.press("q")
    assert "how begins?" in tab.js(f"{dialog}.innerText")


def test_playing_stops_at_a_question(show: Show) -> None:
    asking = death()
    asking.lines += list(questions(TEXT, asking))[:1]
    tab = show(asking, link="#view=step&event=0")
    tab.press("]", "]", "]", "]", " ")
    waits = (
        "const done = arguments[0]; const look = () => page.state.playing"
        " ? setTimeout(look, 20) : done(true); look()"
    )
    tab.chrome.execute_async_script(waits)
    assert "what will happen?" in tab.js(
        "document.getElementById('question').innerText"
    )


def test_a_hostile_question_is_text(show: Show) -> None:
    bad = "<script>window.broken = 1</script>"
    line = {"kind": "question", "at": 0.0, "text": bad, "why": bad}
    asking = hostile()
    asking.lines.append({**line, "choices": [bad, bad], "right": 7})
    tab = show(asking)
    tab.press("q", "1", ENTER)
    told = tab.js("document.getElementById('question').innerText")
    assert told.count(bad) == 4
    assert tab.js("window.broken") is None
    tab.press(ENTER)
