"""References: what is left of them, and when."""

from __future__ import annotations

import pickle
import sys
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core.process import current, records
from minimr.core.process.records import Entry, ObjectRef, References
from minimr.core.serialization import outgoing, pack, pack_code
from minimr.exceptions import RaySystemError
from tests.unit.core.owner import HERE, Net

OWNER = ("127.0.0.1", 1)


def reference(references: References | None = None) -> ObjectRef:
    references = references or References(HERE)
    return ObjectRef(Entry(b"id", OWNER, None, references))


def test_a_reference_goes_in_silence_when_its_module_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of the interpreter sets the globals of modules to None."""
    said: list[Any] = []
    ref = reference()
    with monkeypatch.context() as end:
        end.setattr(sys, "unraisablehook", said.append)
        for name in vars(records):
            if not name.startswith("__"):
                end.setattr(records, name, None)
        del ref
    assert said == []


def test_a_reference_that_goes_is_counted_by_its_own_process() -> None:
    woken: list[str] = []
    one = References(HERE, lambda: woken.append("one"))
    two = References(OWNER, lambda: woken.append("two"))
    ref, other = reference(one), reference(two)
    entry = ref.entry
    del ref
    assert ([*one.released], [*two.released]) == ([entry], [])
    del other
    assert woken == ["one", "two"]


def test_a_reference_is_unpickled_by_the_process_that_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pickled = pickle.dumps(reference())
    monkeypatch.setattr(current, "_runtime", None)
    with pytest.raises(RaySystemError, match="call init"):
        pickle.loads(pickled)
    for process in (Net(), Net()):
        table = process.objects()
        runtime = SimpleNamespace(lost=None, lock=Lock(), objects=table)
        current.set_current(runtime)
        assert pickle.loads(pickled).entry is table.table[b"id"]


def test_a_pickle_keeps_the_references_inside_and_the_thread_does_not() -> (
    None
):
    ref = reference()
    assert pack([ref]).refs == [ref]
    assert outgoing.get() is None


def test_a_thread_keeps_no_reference_of_what_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pack([reference(), sys._getframe()])
    assert outgoing.get() is None


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
    references = References(HERE)
    ref = reference(references)
    pickle.dumps(ref)
    assert references.escaped == [ref]
    references.close()
    assert references.escaped == []


def test_a_reference_that_outlives_its_session_is_counted_no_more() -> None:
    references = References(HERE)
    ref = reference(references)
    references.close()
    del ref
    assert not references.released
