"""A task may be interrupted anywhere but in the middle of an import."""

from __future__ import annotations

import signal
import sys
import threading
import weakref
from pathlib import Path

import pytest

from minimr.system import interrupt
from minimr.system.interrupt import is_closed, may_interrupt

MODULE = """
import sys
from minimr.system.interrupt import is_closed
def during():
    return is_closed(sys._getframe())
SEEN = during()
"""


def test_what_a_module_runs_when_it_is_loaded_is_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loaded_for_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import loaded_for_a_test as module  # type: ignore[import-not-found]

    assert module.SEEN is True
    assert module.during() is is_closed(sys._getframe())


@pytest.mark.parametrize("kind", ["__del__", "weak reference"])
def test_a_finaliser_is_not_interrupted(kind: str) -> None:
    seen: list[bool] = []

    def look(*_: object) -> None:
        seen.append(is_closed(sys._getframe()))

    class Thing:
        def __del__(self) -> None:
            if kind == "__del__":
                look()

    def end() -> None:  # in a thread: a test itself may be run by an import
        thing = Thing()
        if kind != "__del__":
            weakref.finalize(thing, look).atexit = False
        del thing

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    assert seen == [True]


def test_outside_of_an_import_it_may_be_interrupted_at_once() -> None:
    seen: list[bool] = []

    def look() -> None:  # in a thread: a test itself may be run by an import
        seen.append(may_interrupt(signal.SIGUSR1, sys._getframe()))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [True]


def test_during_an_import_the_signal_comes_again_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([True, True, False])
    monkeypatch.setattr(interrupt, "is_closed", lambda _: next(answers))
    over = threading.Event()

    def handler(*event: object) -> None:
        if may_interrupt(*event):  # type: ignore[arg-type]
            over.set()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        interrupt.knock(signal.SIGUSR1)
        assert over.wait(10)
        assert next(answers, None) is None
    finally:
        signal.signal(signal.SIGUSR1, before)
