"""An object is owned by who called for it, and dies with its owner.

Watch: the same array twice, both in the store of this node. What the actor
put dies with the actor; what a task made is the program's, which asked for it.
"""

import time
from typing import Any

import numpy as np


def main(api: Any, cluster: Any) -> None:
    """Kill the actor that put an array, and ask for it and another one."""

    @api.remote
    class Owner:
        def put(self) -> list[Any]:
            return [api.put(np.ones(1_000_000))]

    @api.remote
    def make() -> Any:
        return np.ones(1_000_000)

    owner, ours = Owner.remote(), make.remote()
    [theirs] = api.get(owner.put.remote())
    api.kill(owner)
    error, deadline = None, time.monotonic() + 30
    while error is None and time.monotonic() < deadline:
        try:
            api.get(theirs)
        except api.exceptions.OwnerDiedError as died:
            error = died  # all have heard of it now
    print(f"what the actor put: {type(error).__name__}")
    total = api.get(ours).sum()
    print(f"what the program asked for: {total:.0f} ones")
    assert error is not None
    assert total == 1_000_000
