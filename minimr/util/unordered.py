"""Results as they come: of references, or of one task per item."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from minimr.core.api import verbs

BATCH = 10  # results that are waited for together
UNDER_WAY = 100  # tasks submitted before their results are waited for


def as_completed(
    refs: Sequence[Any],
    *,
    chunk_size: int = BATCH,
    yield_obj_refs: bool = False,
    **options: Any,
) -> Iterator[Any]:
    """Yield results as they come, in chunks. Ray: the same.

    Args:
        refs: references to the results.
        chunk_size: how many are waited for at once.
        yield_obj_refs: yield the references, not the results.
        options: for `wait`.
    """
    _check(chunk_size, options)
    left = list(refs)
    while left:
        count = min(chunk_size, len(left))
        ready, left = verbs.wait(left, num_returns=count, **options)
        yield from ready if yield_obj_refs else verbs.get(ready)


def map_unordered(
    fn: Any,
    items: Iterable[Any],
    *,
    backpressure_size: int | None = UNDER_WAY,
    chunk_size: int = BATCH,
    yield_obj_refs: bool = False,
    **options: Any,
) -> Iterator[Any]:
    """Yield the results of one task per item. Ray: the same.

    Args:
        fn: a remote function.
        items: its arguments.
        backpressure_size: how many tasks are under way at most; None: all.
        chunk_size: this and the others: see `as_completed`.
    """
    _check(chunk_size, options)
    most = math.inf if backpressure_size is None else backpressure_size
    if most <= 0:
        raise ValueError("backpressure_size must be positive.")
    left: list[Any] = []
    for item in items:
        left.append(fn.remote(item))
        if len(left) >= most:
            count = min(chunk_size, len(left))
            ready, left = verbs.wait(left, num_returns=count, **options)
            yield from ready if yield_obj_refs else verbs.get(ready)
    yield from as_completed(
        left, chunk_size=chunk_size, yield_obj_refs=yield_obj_refs, **options
    )


def _check(chunk_size: int, options: dict[str, Any]) -> None:
    if chunk_size < 1:
        raise ValueError("`chunk_size` must be >= 1")
    if "num_returns" in options:
        raise ValueError("Use `chunk_size` instead of `num_returns`.")
