"""What a message is: a frozen type with fields, known by its name.

    class Push(Message): ...             peer.post(Push(...))
    class Locate(Question[Value]): ...   endpoint.ask(peer, callback, Locate())

    on the wire: ("Push", *fields)

Who handles messages lists them: `Push.to(self._on_push)`. So the types of a
message, its handler and its answer are checked against each other.

Rules:

1. A message is a tuple, and travels as a plain one, its name first: that is
   the fastest way through pickle.
2. A type is named once in a process; nobody handles what another does.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from minimr.net.channel import Address

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:  # Python has it since 3.11, and only type checkers look at it
    dataclass_transform = lambda **_: lambda made: made  # noqa: E731

P = TypeVar("P")  # the `Peer` that has sent it
R = TypeVar("R")
F = TypeVar("F", bound="_Fields")
Reply = Callable[[R], None]


class Gone(str):
    """The answer of a process that gives none."""


GONE = Gone("the other process is gone")


class Handler(NamedTuple):
    """A function that takes one type of message: (peer, message, ...)."""

    kind: type[_Fields]
    call: Callable[..., None]


@dataclass_transform(frozen_default=True)
class _Fields(tuple[Any, ...]):
    """Makes the fields that a class names, as `NamedTuple` does.

    That has no subclasses, and so no messages and questions.
    """

    __match_args__: ClassVar[tuple[str, ...]]  # the names of the fields

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        fields = [*cls.__annotations__]
        defaults = [cls.__dict__[f] for f in fields if f in cls.__dict__]
        make: Any = namedtuple  # a type checker wants to know the fields
        made = make(cls.__name__, fields, defaults=defaults)
        for name in ("__new__", "__repr__", "__match_args__", *fields):
            setattr(cls, name, made.__dict__[name])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


class Message(_Fields):
    """One process tells another something."""

    @classmethod
    def to(cls, handler: Callable[[P, Self], None]) -> Handler:
        """Have a function called with (peer, message)."""
        return Handler(cls, handler)


class Question(_Fields, Generic[R]):
    """One process asks another something; R is the type of the answer."""

    @classmethod
    def to(cls, handler: Callable[[P, Self, Reply[R]], None]) -> Handler:
        """Have a function called with (peer, question, reply).

        It calls `reply` with the answer, at once or later.
        """
        return Handler(cls, handler)


def restored(kind: type[F], fields: Sequence[Any]) -> F:
    """Return a message that has come.

    Raises:
        TypeError: it has other fields than its type has here.
    """
    size = len(kind.__match_args__)
    if len(fields) != size:
        name = kind.__name__
        raise TypeError(f"{name} has {size} fields, not {len(fields)}")
    return tuple.__new__(kind, fields)


# ---- on every link ----


class Caller(NamedTuple):
    """What a process says of itself."""

    kind: str
    process: bytes  # random; prefix of the ids that it makes
    address: Address
    pid: int
    home: Address  # of the node that it belongs to


class Hello(Message):
    """The first one of who has dialled."""

    caller: Caller


class Home(Message):
    """The answer to that: the node that I belong to."""

    address: Address


class Ask(Message):
    """A question, as it travels."""

    number: int  # of who asks
    name: str
    fields: tuple[Any, ...]


class Answer(Message):
    """What was asked under that number."""

    number: int
    body: Any
