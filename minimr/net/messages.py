"""Messages: frozen types with fields, identified by their names.

    class Push(Message): ...             peer.post(Push(...))
    class Locate(Question[Value]): ...   endpoint.ask(peer, callback, Locate())

    on the wire: ("Push", *fields)

A part that handles messages lists them: `Push.to(self._on_push)`. So mypy
checks the types of message, handler and answer against each other.

Rules:

1. A message is a tuple, and is sent as a plain tuple, its name first: that is
   fastest to pickle.
2. In one process, each type has one handler.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from minimr.net.channel import Address

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:  # in Python since 3.11; only type checkers need it
    dataclass_transform = lambda **_: lambda made: made  # noqa: E731

P = TypeVar("P")  # the `Peer` that has sent it
R = TypeVar("R")
F = TypeVar("F", bound="_Fields")
Reply = Callable[[R], None]


class Gone(str):
    """The answer for a process that is gone."""


GONE = Gone("the other process is gone")


class Handler(NamedTuple):
    """A function that takes one type of message: (peer, message, ...)."""

    kind: type[_Fields]
    call: Callable[..., None]


@dataclass_transform(frozen_default=True)
class _Fields(tuple[Any, ...]):
    """Makes the annotated fields of a class, as `NamedTuple` does.

    (`NamedTuple` itself cannot be a base of messages and questions.)
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
    """One process tells another one something."""

    @classmethod
    def to(cls, handler: Callable[[P, Self], None]) -> Handler:
        """Return a handler: the function gets (peer, message)."""
        return Handler(cls, handler)


class Question(_Fields, Generic[R]):
    """One process asks another one something. R: the type of the answer."""

    @classmethod
    def to(cls, handler: Callable[[P, Self, Reply[R]], None]) -> Handler:
        """Return a handler: the function gets (peer, question, reply).

        It calls `reply` with the answer, at once or later.
        """
        return Handler(cls, handler)


def restored(kind: type[F], fields: Sequence[Any]) -> F:
    """Return a received message.

    Raises:
        TypeError: its type has another number of fields here.
    """
    size = len(kind.__match_args__)
    if len(fields) != size:
        name = kind.__name__
        raise TypeError(f"{name} has {size} fields, not {len(fields)}")
    return tuple.__new__(kind, fields)


# ---- on every link ----


class Caller(NamedTuple):
    """What a process says about itself."""

    kind: str
    process: bytes  # random; prefix of the ids that it makes
    address: Address
    pid: int
    home: Address  # of the node that it belongs to


class Hello(Message):
    """The first message of the process that has dialled."""

    caller: Caller


class Home(Message):
    """The reply to `Hello`: the node that I belong to, and who I am."""

    process: bytes
    address: Address
    pid: int


class Ask(Message):
    """A question, as it is sent."""

    number: int  # given by the sender
    name: str
    fields: tuple[Any, ...]


class Answer(Message):
    """The answer to the question of that number."""

    number: int
    body: Any
