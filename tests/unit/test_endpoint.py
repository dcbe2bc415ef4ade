"""Types of messages, and who handles them in one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minimr.net.endpoint import Endpoint
from minimr.net.messages import Message, restored
from minimr.net.peer import Peer


class Ring(Message):
    """The telephone rings."""

    number: int
    times: int = 3


class Knock(Message):
    """There is somebody at the door."""

    number: int
    times: int = 3


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint("test", b"token" * 8, ("127.0.0.1", 0))
    yield endpoint
    endpoint.hub.close()


def test_two_handlers_of_one_message_are_refused_by_their_names(
    endpoint: Endpoint,
) -> None:
    def answers(peer: Peer, ring: Ring) -> None: ...

    def runs_away(peer: Peer, ring: Ring) -> None: ...

    endpoint.serve(Ring.to(answers), Knock.to(print))
    with pytest.raises(ValueError, match=r"Ring has two.*answers.*runs_away"):
        endpoint.serve(Ring.to(runs_away))


def test_a_message_has_the_fields_that_its_class_names() -> None:
    ring = Ring(5)
    assert (ring.number, ring.times) == (5, 3)
    assert repr(ring) == "Ring(number=5, times=3)"
    with pytest.raises(AttributeError):
        ring.number = 6  # type: ignore[misc]


def test_a_message_is_as_another_of_its_type_only() -> None:
    assert Ring(5) == Ring(5, times=3)
    assert Ring(5) != Ring(6)
    assert Ring(5) != Knock(5)
    assert len({Ring(5), Ring(5), Knock(5)}) == 2


def test_a_message_that_comes_has_all_of_its_fields_or_is_refused() -> None:
    assert restored(Ring, (5, 1)) == Ring(5, 1)
    for fields in ((), (5,), (5, 1, 2)):
        with pytest.raises(TypeError, match="Ring has 2 fields"):
            restored(Ring, fields)
