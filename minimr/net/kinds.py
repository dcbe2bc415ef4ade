"""What can listen at a port: told in the handshake, checked by who dials.

A port may be somebody else's by now, or a user mistook one address for
another; whoever dials says what it wants there, and gets nothing else.
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
CLUSTER = ("head", "node", "driver", "worker")  # they speak one protocol


def mismatch(kind: str, wanted: Sequence[str]) -> str:
    """Say what is there instead of what was wanted."""
    names = " or ".join(KINDS.get(name, name) for name in wanted)
    return f"it is {KINDS.get(kind, kind)}, and not {names}"
