"""The rules of objects: who counts, what is freed, what is made again."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.process.ownership import Objects
from minimr.core.process.records import FIRST, Entry, ObjectRef, Task
from minimr.core.serialization import as_failed, load
from minimr.exceptions import (
    ObjectLostError,
    ObjectReconstructionFailedError,
    OwnerDiedError,
)
from minimr.net.messages import GONE
from tests.unit.core.owner import FAR, HERE, NODE, Net

OWNER = ("127.0.0.1", 1)


class Owner(Net):
    """Notes which tasks are run again, and whose results are unneeded."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[Task] = []
        self.unneeded: list[Task] = []
        self.link(OWNER)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def objects(owner: Owner) -> Objects:
    return owner.objects(owner.submitted.append, owner.unneeded.append)


def stored(*places: Any) -> m.Stored:
    return m.Stored(1_000_000, list(places), ())


def task(retries: int = 1, refs: tuple[ObjectRef, ...] = ()) -> Task:
    id, shape = b"task" + bytes([retries]), m.Shape((), None, ())
    about = (id, "f", b"key", b"", b"", [*refs], [], 1, shape)
    return Task(*about, retries=retries)


def result(objects: Objects, made_by: Task, value: m.Value) -> ObjectRef:
    """Own the result of a task that has ended."""
    ref = objects.new(made_by.id + FIRST, made_by)
    made_by.waits = False
    objects.made(ref.entry.id, value)
    return ref


def error_of(ref: ObjectRef) -> BaseException:
    with pytest.raises(ObjectLostError) as caught:
        load(ref.entry.value)
    return caught.value


def freed(owner: Owner) -> list[tuple[Any, list[bytes]]]:
    free = [each for each in owner.log if type(each[1]) is m.Free]
    return [(to, message.ids) for to, message in free]


# ---- what is lost ----


def test_making_a_lost_object_again_costs_a_retry(
    owner: Owner, objects: Objects
) -> None:
    made_by = task(retries=1)
    ref = result(objects, made_by, stored(NODE))
    objects.missing(ref.entry, NODE)
    assert owner.submitted == [made_by]
    assert (made_by.retries, made_by.attempt) == (0, 1)
    made_by.waits = False
    objects.made(ref.entry.id, stored(FAR))
    objects.missing(ref.entry, FAR)
    assert owner.submitted == [made_by]
    assert isinstance(error_of(ref), ObjectReconstructionFailedError)


def test_an_object_is_not_made_again_while_a_copy_is_left(
    owner: Owner, objects: Objects
) -> None:
    ref = result(objects, task(), stored(NODE, FAR))
    objects.missing(ref.entry, NODE)
    assert owner.submitted == []
    assert ref.entry.value == stored(FAR)


def test_a_copy_that_was_out_of_reach_is_freed(
    owner: Owner, objects: Objects
) -> None:
    owner.link(NODE)
    ref = result(objects, task(), stored(NODE, FAR))
    objects.missing(ref.entry, NODE)
    assert freed(owner) == [(NODE, [ref.entry.id])]


def test_it_is_freed_after_it_was_made_again_for_that_may_be_there_too(
    owner: Owner, objects: Objects
) -> None:
    owner.link(FAR)
    made_by = task()
    ref = result(objects, made_by, stored(FAR))
    objects.missing(ref.entry, FAR)
    assert ref.entry.value is None
    assert not freed(owner)
    assert made_by.strays == (FAR,)


def test_what_was_put_is_lost_with_its_node(objects: Objects) -> None:
    ref = objects.new(b"put", None)
    ref.entry.value = stored(NODE)
    objects.missing(ref.entry, NODE)
    assert "only results of tasks" in str(error_of(ref))


def test_a_small_result_keeps_no_task(objects: Objects) -> None:
    assert result(objects, task(), b"small").entry.task is None
    made_by = task()
    assert result(objects, made_by, stored(NODE)).entry.task is made_by


def test_what_is_made_once_more_for_a_lost_sibling_is_one_more_copy(
    objects: Objects,
) -> None:
    ref = result(objects, task(), stored(NODE))
    objects.made(ref.entry.id, stored(FAR))
    assert ref.entry.value == stored(NODE, FAR)


def test_a_task_keeps_inputs_that_nothing_makes_again(
    objects: Objects,
) -> None:
    put, again = objects.new(b"put", None), task()
    put.entry.value = stored(NODE)
    made, single = task(retries=2), task(retries=0)
    refs = (
        put,
        result(objects, made, stored(NODE)),
        result(objects, single, stored(NODE)),
    )
    again.refs = [*refs]
    again.let_go()
    assert again.refs == [refs[0], refs[2]]
    assert again.inputs == [ref.entry for ref in refs]


def test_a_task_that_is_not_run_again_keeps_no_inputs(
    objects: Objects,
) -> None:
    put = objects.new(b"put", None)
    put.entry.value = stored(NODE)
    last = task(retries=0, refs=(put,))
    last.let_go()
    assert not last.refs
    assert not last.inputs


def test_who_waits_sees_that_there_is_one_more_error(
    objects: Objects,
) -> None:
    ref, seen = objects.new(b"result", None), objects.failures
    objects.made(ref.entry.id, as_failed(ValueError()))
    assert objects.failures == seen + 1


# ---- what is freed ----


def test_an_object_is_freed_where_its_copies_are(
    owner: Owner, objects: Objects
) -> None:
    ref = objects.new(b"put", None)
    ref.entry.value = stored(NODE, FAR)
    del ref
    objects.drain()
    assert freed(owner) == [(NODE, [b"put"]), (FAR, [b"put"])]
    assert objects.table == {}


def test_a_copy_that_comes_after_the_object_was_freed_is_freed_too(
    owner: Owner, objects: Objects
) -> None:
    objects.copied(b"gone", FAR)
    assert freed(owner) == [(FAR, [b"gone"])]


def test_what_was_made_for_nobody_is_freed(
    owner: Owner, objects: Objects
) -> None:
    objects.made(b"gone", stored(NODE))
    assert freed(owner) == [(NODE, [b"gone"])]


@pytest.mark.parametrize("first", [0, 1])
def test_a_borrower_that_dies_borrows_no_more(
    first: int, owner: Owner, objects: Objects
) -> None:
    peers = [owner.link(("127.0.0.1", port)) for port in (10, 11)]
    ref = objects.new(b"put", None)
    ref.entry.value = stored(NODE)
    for peer in peers:
        objects._on_borrow(peer, m.Borrow([b"put"]), lambda answer: None)
    del ref
    objects.drain()
    objects.left(peers[first], "killed")
    assert freed(owner) == []
    objects.left(peers[1 - first], "killed")
    assert freed(owner) == [(NODE, [b"put"])]


def test_an_owner_is_asked_once_for_all_who_wait(
    owner: Owner, objects: Objects
) -> None:
    ref, told = objects.ref(b"lent", OWNER), list[Entry]()
    for _ in range(2):
        objects.watch(ref.entry, told.append)
    owner.answer(m.Locate, stored(NODE))
    assert told == [ref.entry, ref.entry]
    assert owner.asked == []
    objects.missing(ref.entry, NODE)  # and once more, where else it is
    owner.answer(m.Locate, stored(FAR))
    assert ref.entry.value == stored(FAR)


def test_what_an_owner_takes_with_it_is_an_error(
    owner: Owner, objects: Objects
) -> None:
    ref = objects.ref(b"lent", OWNER)
    objects.want(ref.entry)
    owner.answer(m.Locate, GONE)
    assert isinstance(error_of(ref), OwnerDiedError)


def test_a_borrower_says_that_it_has_let_go(
    owner: Owner, objects: Objects
) -> None:
    ref, again = objects.ref(b"lent", OWNER), objects.ref(b"lent", OWNER)
    objects.drain()
    del ref
    objects.drain()
    assert owner.log == [(OWNER, m.Borrow([b"lent"]))]
    del again
    objects.drain()
    assert owner.log[1:] == [(OWNER, m.Unborrow([b"lent"]))]


def test_a_reference_that_comes_too_late_is_an_error(
    objects: Objects,
) -> None:
    ref = objects.ref(b"gone", HERE)
    assert "was freed" in str(error_of(ref))


def test_who_asks_for_what_was_freed_is_told(objects: Objects) -> None:
    answers: list[Any] = []
    peer: Any = None
    objects._on_locate(peer, m.Locate(b"gone", None), answers.append)
    assert type(answers[0]) is m.Failed


def test_what_a_value_contains_lives_as_long_as_the_value(
    owner: Owner, objects: Objects
) -> None:
    outer, inner = objects.new(b"outer", None), objects.new(b"inner", None)
    inner.entry.value = stored(NODE)
    objects.made(b"outer", m.Inline(b"", (), (objects.to_wire(inner),)))
    del inner
    objects.drain()
    assert freed(owner) == []
    del outer
    objects.drain()  # counts the outer one down
    objects.drain()
    assert freed(owner) == [(NODE, [b"inner"])]


def test_a_session_that_ends_leaves_errors(objects: Objects) -> None:
    ref = objects.new(b"put", None)
    ref.entry.value = b"N."
    objects.close()
    with pytest.raises(ValueError, match="earlier init"):
        load(ref.entry.value)
    assert isinstance(ref.entry, Entry)
    assert ref.entry.owner != HERE
