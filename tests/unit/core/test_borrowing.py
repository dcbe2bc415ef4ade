"""What waits until references are registered, and for which of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.process.ownership import Objects

OWNER, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2)


class Runtime:
    """Keeps the questions to owners, until the test answers them."""

    address = ("127.0.0.1", 0)

    def __init__(self) -> None:
        self.asked: dict[Any, Callable[[Any], None]] = {}

    def link(self, address: Any) -> Any:
        return address

    def ask(self, peer: Any, answered: Any, question: Any) -> None:
        assert type(question) is m.Borrow
        self.asked[(peer, *question.ids)] = answered


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def objects(runtime: Runtime) -> Objects:
    fake: Any = runtime
    return Objects(fake)


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
    runtime: Runtime, objects: Objects
) -> None:
    kept, called = two_that_wait(objects)
    assert called == []
    runtime.asked[OWNER, b"a"](None)
    assert called == ["a"]
    runtime.asked[OTHER, b"b"](None)
    assert called == ["a", "b"]
    assert len(kept) == 2


def test_what_waits_keeps_its_order_whoever_answers_first(
    runtime: Runtime, objects: Objects
) -> None:
    kept, called = two_that_wait(objects)
    runtime.asked[OTHER, b"b"](None)  # "b" waits for both
    assert called == []
    runtime.asked[OWNER, b"a"](None)
    assert called == ["a", "b"]
    assert len(kept) == 2
