"""Every type of message is explained, sent by somebody, and handled."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import minimr
from minimr.core import messages
from minimr.net.messages import Message, Question

ROOT = Path(minimr.__file__).parent
NAMES = {
    name
    for name, kind in vars(messages).items()
    if isinstance(kind, type)
    and issubclass(kind, (Message, Question))
    and kind.__module__ == messages.__name__
}


def trees() -> Iterator[ast.AST]:
    for path in ROOT.rglob("*.py"):
        if "sockets" not in path.parts:
            yield ast.parse(path.read_text("utf-8"))


def name_of(node: ast.AST) -> str:
    """Return "Push" of `Push`, or of `m.Push`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "m" else ""
    return node.id if isinstance(node, ast.Name) else ""


CALLED = [
    call.func
    for tree in trees()
    for call in ast.walk(tree)
    if isinstance(call, ast.Call)
]


def test_every_message_is_explained() -> None:
    kinds = {name: getattr(messages, name) for name in NAMES}
    assert [n for n, kind in kinds.items() if not kind.__doc__] == []


def test_every_message_is_sent_by_somebody() -> None:
    assert sorted(NAMES - {name_of(func) for func in CALLED}) == []


def test_every_message_is_handled_by_somebody() -> None:
    handled = {
        name_of(func.value)
        for func in CALLED
        if isinstance(func, ast.Attribute) and func.attr == "to"
    }
    assert sorted(NAMES - handled) == []
