"""The table of messages says what the handlers take."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from minimr.core import messages

TABLE = dict(
    re.findall(
        r"^ {8}(\w+)\(([\w, ]*)\)", messages.__doc__ or "", re.MULTILINE
    )
)
RECEIVERS = [
    ("process.actor_calls", "Actors"),
    ("process.leases", "Leases"),
    ("process.ownership", "Objects"),
    ("process.runtime", "Runtime"),
    ("process.tasks", "Tasks"),
    ("process.executor", "Executor"),
    ("process.generator_items", "Yields"),
    ("control.store", "Control"),
    ("node.bundles", "Bundles"),
    ("control.placement_groups", "Groups"),
    ("node.leasing", "Leasing"),
    ("node.node", "Node"),
    ("node.print_forwarding", "Prints"),
    ("node.object_transfer", "Transfers"),
]
NOT_SENT = {"self", "peer", "reply", "until", "again"}
OF_EVERY_LINK = {"_on_hello", "_on_home", "_on_ask", "_on_answer"}


def handlers() -> dict[str, inspect.Signature]:
    found = {}
    for module, name in RECEIVERS:
        imported = importlib.import_module(f"minimr.core.{module}")
        receiver = getattr(imported, name)
        for attribute in dir(receiver):
            if attribute.startswith("_on_") and attribute not in OF_EVERY_LINK:
                method = getattr(receiver, attribute)
                found[f"{module}.{attribute}"] = inspect.signature(method)
    return found


@pytest.mark.parametrize("name", sorted(handlers()))
def test_a_handler_takes_the_fields_of_the_table(name: str) -> None:
    parameters = handlers()[name].parameters
    fields = [each for each in parameters if each not in NOT_SENT]
    table = TABLE[name.partition("._on_")[2]]
    if "rest" in fields:
        assert table.startswith(", ".join(fields[: fields.index("rest")]))
    else:
        assert ", ".join(fields) == table


def test_every_message_of_the_table_has_a_handler() -> None:
    names = {name.partition("._on_")[2] for name in handlers()}
    assert set(TABLE) == names
