"""References: what is left of them, and when."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import pytest

from minimr.core.process import refs
from minimr.core.process.refs import Entry, ObjectRef
from minimr.core.serialization import outgoing, pack, pack_code


def reference() -> ObjectRef:
    return ObjectRef(Entry(b"id", ("127.0.0.1", 1), None))


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep to ourselves what these references leave behind."""
    monkeypatch.setattr(refs, "escaped", [])


def test_a_reference_goes_in_silence_when_its_module_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of the interpreter sets the globals of modules to None."""
    said: list[Any] = []
    ref = reference()
    with monkeypatch.context() as end:
        end.setattr(sys, "unraisablehook", said.append)
        end.setattr(refs, "released", None)
        end.setattr(refs, "wake_up", None)
        del ref
    assert said == []


def test_a_pickle_keeps_the_references_inside_and_the_thread_does_not() -> (
    None
):
    ref = reference()
    assert pack([ref]).refs == [ref]
    assert outgoing.refs is None


def test_a_thread_keeps_no_reference_of_what_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pack([reference(), sys._getframe()])
    assert outgoing.refs is None


def test_a_value_that_packs_another_one_keeps_its_own_references() -> None:
    class Packs:
        def __reduce__(self) -> Any:
            pack([reference()])
            return str, ()

    ref = reference()
    assert pack([Packs(), ref]).refs == [ref]


def test_the_code_of_a_function_has_the_references_that_it_captures() -> None:
    ref = reference()
    _, captured = pack_code(lambda: ref, "f")
    assert captured == [ref]


def test_what_a_program_pickles_itself_is_kept_to_the_end() -> None:
    ref = reference()
    pickle.dumps(ref)
    assert refs.escaped == [ref]
