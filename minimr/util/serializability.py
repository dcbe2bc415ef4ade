"""Finds the part of a value that cannot be pickled.

Ray: `ray.util.check_serialize`.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from minimr.system import pickling


class FailureTuple(NamedTuple):
    """The part that cannot be pickled. Ray: the same."""

    obj: Any
    path: tuple[str, ...]  # the value's name, and the steps from there
    parent: Any  # here: the value itself

    def __hash__(self) -> int:
        return id(self.obj)


def inspect_serializability(
    base_obj: Any,
    name: str | None = None,
    depth: int = 3,
    print_file: Any = None,
) -> tuple[bool, set[FailureTuple]]:
    """Return whether a value can be pickled, and the part that cannot.

    It writes the same to `print_file`, by default to standard output.
    Ray: the same; but here the depth has no limit, and one part is returned.
    """
    file = sys.stdout if print_file is None else print_file
    root = name or getattr(base_obj, "__qualname__", None) or "the value"
    if pickling.can_be_pickled(base_obj):
        file.write(f"{root} can be pickled\n")
        return True, set()
    path, part = pickling.find(base_obj, root)
    where = "".join(path)
    file.write(f"{root} cannot be pickled, because of {where}: {part!r:.99}\n")
    return False, {FailureTuple(part, path, base_obj)}
