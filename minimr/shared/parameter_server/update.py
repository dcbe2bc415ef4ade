"""The arithmetic of a push: gradients to apply, or weights to average.

    old weights ─┐
    pushes ──────┼─ block by block ─> new weights, in the memory of the
    velocity ────┘                    first push

Rules:

1. The old weights are not written to: they may be on their way to a worker.
2. Each number is computed by the same operations in the same order on every
   rung, however the arrays are cut, so the bits are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from minimr.shared.parameter_server.consistency import Gradients, Update

Array = NDArray[np.float32]

# 64 Ki numbers of each array: they stay in the cache for all passes.
BLOCK = 2**16


def apply_update(
    update: Update,
    old: Array,
    pushes: Sequence[Array],
    velocity: Array | None,
    share: int = 1,
) -> Array:
    """Return the new weights.

    Args:
        update: what a push means.
        old: the weights until now.
        pushes: one or more, in order; the memory of the first is that of
            the result, if it is writable.
        velocity: of momentum; written to.
        share: move an average 1/`share` of the way.
    """
    new = pushes[0] if pushes[0].flags.writeable else pushes[0].copy()
    rest = [push.reshape(-1) for push in pushes[1:]]  # views, flat
    flat_new, flat_old = new.reshape(-1), old.reshape(-1)
    flat_velocity = None if velocity is None else velocity.reshape(-1)
    for start in range(0, new.size, BLOCK):
        block = slice(start, start + BLOCK)
        part = flat_new[block]
        _mean(part, [push[block] for push in rest])
        if isinstance(update, Gradients):
            _descend(
                part,
                flat_old[block],
                None if flat_velocity is None else flat_velocity[block],
                update,
            )
        elif share > 1:
            part -= flat_old[block]
            part /= np.float32(share)
            part += flat_old[block]
    return new


def _mean(total: Array, others: Sequence[Array]) -> None:
    for other in others:
        total += other
    if others:
        total /= np.float32(1 + len(others))


def _descend(
    gradient: Array, old: Array, velocity: Array | None, update: Gradients
) -> None:
    """Replace a gradient by the weights after one step of SGD."""
    if velocity is not None:
        velocity *= np.float32(update.momentum)
        velocity += gradient
        gradient[:] = velocity
    gradient *= np.float32(-update.learning_rate)
    gradient += old
