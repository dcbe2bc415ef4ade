"""What a cluster is and does at this moment, for a page that shows it live.

    control store ── nodes, what they have left ──┐
    nodes ────────── workers, objects, prints ────┴──> {table: rows}

Ray: its dashboard.
"""

from __future__ import annotations

from typing import Any

from minimr.core import messages as m
from minimr.core.api.session import session
from minimr.util.state import of_nodes

MOST = 200  # rows of objects: the largest


def now() -> dict[str, list[dict[str, Any]]]:
    """Return the tables. Blocks: until the head and all nodes answer."""
    objects = of_nodes("objects")
    objects.sort(key=lambda row: -row["object_size"])
    return {
        "nodes": [
            {
                "id": node.id,
                "name": "{}:{}".format(*node.address),
                "state": "ALIVE" if node.alive else "DEAD",
                "total": dict(node.total),
                "available": dict(node.available),
            }
            for node in session().ask_head(m.Query("nodes"))
        ],
        "workers": [
            {
                "pid": row["pid"],
                "node": row["node_id"],
                "state": row["lease"] or row["worker_type"],
                "runs": row["runs"],
            }
            for row in of_nodes("workers")
        ],
        "objects": [
            {
                "id": row["object_id"],
                "node": row["node_id"],
                "size": row["object_size"],
                "state": row["state"],
            }
            for row in objects[:MOST]
        ],
        "prints": of_nodes("prints"),
    }
