"""What waits until references are registered, and for which of them."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.process.ownership import Objects
from tests.unit.core.owner import Net

OWNER, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2)


class Borrower(Net):
    """Answers for the owners of references."""

    def registered(self, owner: Any, id: bytes) -> None:
        """The owner knows that we have a reference."""
        for place, question, reply in self.asked:
            if (place, question) == (owner, m.Borrow([id])):
                reply(None)


@pytest.fixture
def borrower() -> Borrower:
    return Borrower()


@pytest.fixture
def objects(borrower: Borrower) -> Objects:
    return borrower.objects()


def two_that_wait(objects: Objects) -> tuple[list[Any], list[str]]:
    """Wait for a reference, and then for another one as well."""
    called: list[str] = []
    kept = [objects.ref(b"a", OWNER)]
    objects.when_registered(lambda: called.append("a"))
    kept.append(objects.ref(b"b", OTHER))
    objects.when_registered(lambda: called.append("b"))
    return kept, called


def test_nothing_to_register_is_not_waited_for(objects: Objects) -> None:
    called: list[str] = []
    objects.when_registered(lambda: called.append("now"))
    assert called == ["now"]


def test_later_references_are_not_waited_for(
    borrower: Borrower, objects: Objects
) -> None:
    kept, called = two_that_wait(objects)
    assert called == []
    borrower.registered(OWNER, b"a")
    assert called == ["a"]
    borrower.registered(OTHER, b"b")
    assert called == ["a", "b"]
    assert len(kept) == 2


def test_what_waits_keeps_its_order_whoever_answers_first(
    borrower: Borrower, objects: Objects
) -> None:
    kept, called = two_that_wait(objects)
    borrower.registered(OTHER, b"b")  # "b" waits for both
    assert called == []
    borrower.registered(OWNER, b"a")
    assert called == ["a", "b"]
    assert len(kept) == 2
