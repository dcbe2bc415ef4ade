"""Whether arguments fit a function, told at the call and not on a worker."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


class Signature(NamedTuple):
    """The names of a function's parameters; it travels in handles."""

    positional: tuple[str, ...]
    required: frozenset[str]
    keywords: frozenset[str]  # that may be given by name
    any_positional: bool
    any_keyword: bool

    def check(self, name: str, args: Any, kwargs: Any) -> None:
        """Raise TypeError if the arguments do not fit."""
        count = len(args)
        taken = self.positional[:count]
        wrong = None
        if count > len(self.positional) and not self.any_positional:
            wrong = f"too many positional arguments ({count})"
        for key in kwargs:
            if key in taken:
                wrong = f"multiple values for argument '{key}'"
            elif key not in self.keywords and not self.any_keyword:
                wrong = f"got an unexpected keyword argument '{key}'"
        if len(self.required) > count or kwargs or self.required:
            missing = self.required.difference(taken, kwargs)
            if missing:
                wrong = f"missing a required argument: {sorted(missing)}"
        if wrong is not None:
            raise TypeError(f"{name}(): {wrong}")


def read(function: Any, method: bool = False) -> Signature | None:
    """Read a function's signature; None if it has none (built in)."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    parameters = parameters[1:] if method else parameters
    by_place = [p for p in parameters if p.kind in _POSITIONAL]
    named = [p for p in parameters if p.kind == p.KEYWORD_ONLY]
    return Signature(
        tuple(p.name for p in by_place),
        frozenset(p.name for p in by_place + named if p.default is p.empty),
        frozenset(
            p.name for p in by_place + named if p.kind != p.POSITIONAL_ONLY
        ),
        any(p.kind == p.VAR_POSITIONAL for p in parameters),
        any(p.kind == p.VAR_KEYWORD for p in parameters),
    )
