"""The kinds of servers: named in the handshake, checked by the client.

A port may belong to another process by now, or a user may mix addresses up.
So a client says which kinds it wants, and talks to no other.
"""

from __future__ import annotations

from collections.abc import Sequence

KINDS = {
    "head": "the head of a cluster (`minimr start --head`)",
    "node": "a node of a cluster (`minimr start --address`)",
    "driver": "a program that is connected to a cluster (`init`)",
    "worker": "a worker process of a cluster",
    "run": "a MapReduce run (`minimr wordcount --listen`)",
    "blocks": "a worker of a MapReduce run (`minimr worker`)",
    "weights": "a parameter server",
}
CLUSTER = ("head", "node", "driver", "worker")  # of one protocol


def mismatch(kind: str, wanted: Sequence[str]) -> str:
    """Return the error for a server of another kind than was wanted."""
    names = " or ".join(KINDS.get(name, name) for name in wanted)
    return f"it is {KINDS.get(kind, kind)}, and not {names}"
