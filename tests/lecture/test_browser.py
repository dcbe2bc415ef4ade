"""The page in a real browser: its views, its keys, and hostile texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lecture.stage import Stage
from lecture.trace import Run
from tests.lecture.conftest import Tab
from tests.lecture.live import served
from tests.lecture.runs import HOSTILE, hostile, run, task, thousand
from tests.lecture.runs import with_a_death as death

Show = Callable[..., Tab]
RIGHT, LEFT = "\ue014", "\ue012"
HOME, END, ENTER = "\ue011", "\ue010", "\ue007"
TABS = ("lanes", "step", "compare", "charts", "why", "code")
# Notes what canvases write from now on, and in which size.
WRITES = """void (window.said = [], window.sizes = [], ((real) => {
  CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
    said.push(text);
    sizes.push(parseFloat(this.font.match(/[0-9.]+px/)[0]));
    real.call(this, text, ...where);
  };
})(CanvasRenderingContext2D.prototype.fillText))"""


def test_there_is_a_lane_for_each_worker_and_the_driver(show: Show) -> None:
    tab = show(death())
    lanes = tab.js("page.state.model.lanes.map((lane) => lane.worker)")
    assert lanes == ["driver", "worker 1", "worker 2"]
    assert "fragile" not in tab.panel()
    assert "f() runs again: worker 1 killed by SIGKILL" in tab.panel()


def test_forward_and_back_gives_the_same_tables(show: Show) -> None:
    tab = show(death(), link="#view=step&event=0")
    number = tab.js("page.state.model.events.length")
    seen = [tab.panel()]
    for _ in range(number - 1):
        tab.press(RIGHT)
        seen.append(tab.panel())
    assert len(set(seen)) == number
    tab.press(RIGHT)  # there is no further
    assert tab.panel() == seen[-1]
    for before in reversed(seen[:-1]):
        tab.press(LEFT)
        assert tab.panel() == before
    tab.press(END)
    assert tab.panel() == seen[-1]
    tab.press(HOME)
    assert tab.panel() == seen[0]


def test_a_step_says_who_tells_whom_and_where_the_code_is(show: Show) -> None:
    tab = show(death(), link="#view=step&event=2")
    told = tab.panel()
    assert "driver → worker 1: run f()" in told
    assert "owner: minimr/core/process/leases.py: Leases._push" in told
    assert "worker: minimr/core/process/executor.py" in told
    assert "def _push" in told
    assert tab.js("document.querySelectorAll('.changed').length") > 0


def test_a_link_leads_to_its_moment(show: Show) -> None:
    tab = show(death(), link="#t=0.3")
    assert tab.js("page.state.tab") == "step"
    assert tab.js("page.state.model.events[page.state.step].at") == 0.3
    link = tab.js("location.hash")
    again = show(death(), link=link)
    assert again.js("location.hash") == link


def test_two_runs_are_shown_side_by_side(show: Show) -> None:
    calm = run(task("f", 0.1, 0.3, id="a"), wall_s=0.5, engine="ray")
    tab = show(calm, death(), link="#view=compare")
    told = tab.panel()
    assert "1 tasks end alike" not in told
    assert "0 tasks end alike" in told
    assert "f() died" in told
    assert "500.0 ms more (2.00 ×)" in told


def test_a_pair_of_files_is_shown_one_step_a_key(show: Show) -> None:
    tab = show(death(), link="#view=code")
    whole = tab.panel()
    assert "minimr/sockets/mapreduce.py\tray_impl/mapreduce.py" in whole
    assert "class Result(interface.Result)" in whole
    for number in (1, 2, 3):
        tab.press(RIGHT)
        assert tab.panel().count(f"# [{number}]") >= 2
        assert "class Result" not in tab.panel()
    tab.press(RIGHT)  # there is no further
    assert "step 3 of 3" in tab.panel()
    link = tab.js("location.hash")
    tab.press(HOME)
    assert tab.panel() == whole
    tab.press("r")
    assert "ray_impl/parameter_server.py" in tab.panel()
    again = show(death(), link=link)
    assert "step 3 of 3" in again.panel()


@pytest.mark.parametrize(
    ("name", "step"),
    [("_map_task", "# [1] map"), ("reduce", "# [3] reduce"),
     ("ParameterServer.pull", "# [3]")],
)  # fmt: skip
def test_a_task_leads_to_its_lines_on_both_sides(
    show: Show, name: str, step: str
) -> None:
    tab = show(run(task(name, 0.1, 0.9)))
    tab.press("n")
    assert "its lines, from scratch and on Ray" in tab.panel()
    tab.press("c")
    assert tab.js("page.state.tab") == "code"
    assert tab.panel().count(step) >= 2


def test_a_task_of_a_user_has_no_such_lines(show: Show) -> None:
    tab = show(death())
    tab.press("n", "c")
    assert tab.js("page.state.tab") == "lanes"
    assert "its lines" not in tab.panel()


def test_a_search_finds_and_the_next_one_is_selected(show: Show) -> None:
    tab = show(thousand())
    tab.press("/")
    tab.press("train")
    tab.press(ENTER)
    assert tab.js("page.state.selected.name") == "train"
    first = tab.js("page.state.selected.id")
    tab.press("n")
    assert tab.js("page.state.selected.name") == "train"
    assert tab.js("page.state.selected.id") != first
    tab.press("N")
    assert tab.js("page.state.selected.id") == first


def test_many_tasks_are_groups_until_one_zooms_in(show: Show) -> None:
    tab = show(thousand())
    tab.js("void (page.state.to = 200, page.draw())")
    boxes = "page.lanes.boxes.filter((box) => box[4].task).length"
    assert tab.js(boxes) < 100
    tab.press("0")
    for _ in range(8):
        tab.press("+")
    assert 0 < tab.js(boxes) < 100
    assert tab.js("page.lanes.boxes.some((box) => box[4].group)") is False


def test_a_click_selects_what_is_there(show: Show) -> None:
    tab = show(death())
    x, y = tab.js(
        "(([x, y, w, h]) => [x + w / 2, y + h / 2])(page.lanes.boxes"
        ".find((box) => box[4].task && box[4].task.name === 'g'))"
    )
    box = tab.js("page.lanes.canvas.getBoundingClientRect().top")
    for kind in ("mousePressed", "mouseReleased"):
        where = {"x": x, "y": y + box, "button": "left", "clickCount": 1}
        event = {"type": kind, **where}
        tab.chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    assert tab.js("page.state.selected.name") == "g"
    assert "takes results of\t1" in tab.panel()


def test_playing_ends_at_the_last_event(show: Show) -> None:
    tab = show(death(), link="#view=step&event=0")
    tab.press("]", "]", "]", "]", " ")
    tab.until("!page.state.playing")
    last = tab.js("page.state.model.events.length") - 1
    assert tab.js("page.state.step") == last


def test_the_keys_are_listed(show: Show) -> None:
    tab = show(death())
    tab.press("?")
    told = tab.js("document.getElementById('keys').innerText")
    assert "for the projector" in told
    tab.press("?")
    assert tab.js("document.getElementById('keys').open") is False


def test_the_projector_has_letters_of_28_pixels(show: Show) -> None:
    tab = show(death(), thousand())
    tab.js(WRITES)
    tab.press("p")
    for number, name in ((1, "driver"), (4, "100.0 ms"), (5, "compute")):
        tab.press(str(number))
        tab.until(f"said.includes('{name}')")
        assert tab.js("Math.min(...sizes)") >= 28
    assert tab.js("getComputedStyle(document.body).fontSize") == "28px"
    assert tab.js("page.lanes.size") == 28
    tab.press("p")
    assert tab.js("page.lanes.size") == 15


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)], ids=str)
def test_every_view_fits_dark_and_light(
    size: tuple[int, int], show: Show
) -> None:
    tab = show(death(), thousand())
    tab.size(*size)
    for theme in ("one", "other"):
        for large in ("", "large-"):
            for number, name in enumerate(TABS, 1):
                tab.press(str(number))
                wide = tab.js("document.documentElement.scrollWidth")
                assert wide <= size[0], (name, large)
                tab.shot(f"{size[0]}-{theme}-{large}{name}")
            tab.press("p")
        tab.press("d")


@pytest.mark.parametrize("name", TABS)
def test_hostile_texts_are_shown_as_texts(show: Show, name: str) -> None:
    tab = show(hostile(), death())
    tab.press(str(TABS.index(name) + 1), "n")
    for _ in range(12):
        tab.press(RIGHT)
    tab.js("void page.search('<script>')")
    assert tab.js("window.broken") is None
    assert tab.js("document.querySelectorAll('img, iframe').length") == 0
    assert tab.js("document.scripts.length") == 2
    tab.shot(f"hostile-{name}")
    if name == "lanes":
        assert HOSTILE[0] in tab.panel()


def test_a_thousand_tasks_are_drawn_within_a_frame(
    show: Show, record_property: Callable[[str, object], None]
) -> None:
    tab = show(thousand())
    times = tab.js(
        "[...Array(60)].map(() => { const t = performance.now();"
        " page.lanes.pan(0.002); page.draw(); return performance.now() - t; })"
    )
    middle = sorted(times)[len(times) // 2]
    record_property("median ms of a frame", middle)
    assert middle < 200  # 16 on an idle machine; this one may be busy


def test_a_chart_says_which_nodes_have_told_nothing(show: Show) -> None:
    made = thousand()
    made.lines = [
        x for x in made.lines if (x["kind"], x.get("node")) != ("usage", "n2")
    ]
    tab = show(made)
    tab.js(WRITES)
    tab.press("4")
    tab.until("said.includes('not told by node 2')")
    nobody = thousand()
    nobody.lines = [x for x in nobody.lines if x["kind"] != "usage"]
    tab = show(nobody)
    tab.js(WRITES)
    tab.press("4")
    tab.until("said.includes('not told by minimr')")
    tab.shot("charts-not-told")


class Changing(Stage):
    """A run that goes on."""

    live = True

    def __init__(self) -> None:
        super().__init__()
        self.run = death()

    def look(self) -> list[Run]:
        return [self.run]


def test_what_happens_now_comes_in(tab: Tab) -> None:
    changing = Changing()
    with served(changing) as address:
        tab.open(address)
        assert tab.js("page.state.model.tasks.length") == 3
        changing.run = thousand()
        tab.until("page.state.model.tasks.length === 1000")
        assert tab.js("page.state.to") > 5  # still all of it
        tab.leave()
