"""Which process this code runs in: the one place that knows.

    get(), f.remote(), pickle.loads(a reference) ──> current()

User code names no process; everything else is handed what it uses. So one
interpreter can hold several processes of minimr: whoever switches between
them, as a simulation does, calls `set_current` with the one that runs next.
"""

from __future__ import annotations

import os
from typing import Any

from minimr.exceptions import RaySystemError
from minimr.net.channel import Address

_runtime: Any = None  # a `Runtime`, or the one of local mode
_watches_forks = False


def find() -> Any:
    """Return the runtime of this process, or None; it may be cut off."""
    return _runtime


def current() -> Any:
    """Return the runtime of this process.

    Raises:
        RaySystemError: `init` was not called.
        LocalRayletDiedError: its node, or the head, is gone.
    """
    runtime = _runtime
    if runtime is None:
        raise RaySystemError("minimr is not initialised: call init() first")
    if runtime.lost:
        raise runtime.error()
    return runtime


def set_current(runtime: Any) -> None:
    """Make a runtime the one of this process, and not of its forks."""
    global _runtime, _watches_forks
    if not _watches_forks:
        _watches_forks = True
        os.register_at_fork(after_in_child=_forked)
    _runtime = runtime


def _forked() -> None:
    """Be no part of the cluster. Runs in: a fork of this process."""
    if _runtime is not None:
        _runtime.leave_to_parent()


def revive(id: bytes, owner: Address) -> Any:
    """Make a reference that was pickled by another process."""
    runtime = current()
    with runtime.lock:
        return runtime.objects.ref(id, owner)
