"""What the processes of each node of Ray use, as its agent tells it.

agent of a node ── metrics, as Prometheus reads them ──> Usage ──> usage

An agent looks at its processes every five seconds, or as often as
$REPORTER_UPDATE_INTERVAL_MS says. Ray without its dashboard's packages has
no agents: then nothing is told.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import Any

Line = dict[str, Any]

ASK_S = 1.0  # at most once in that time
ANSWER_S = 1.0  # an agent that is cut off does not answer
MOST = 20_000  # lines that are kept, the last ones
MOST_BYTES = 20_000_000  # of an answer
METRIC = re.compile(
    r"^ray_component_(cpu_percentage|rss_bytes)\{.*\} (\S+)$", re.MULTILINE
)


class Usage:
    """What was told so far, of the cluster that this process has joined."""

    def __init__(self) -> None:
        self._told: deque[Line] = deque(maxlen=MOST)
        self._asked = 0.0
        self._asking = threading.Lock()

    def look(self, api: Any) -> list[Line]:
        """Ask all nodes, unless they were just asked.

        Blocks: until they have answered, or ANSWER_S.

        Returns: all that was told, as lines of kind `usage`.
        """
        nodes = api.nodes()
        with self._asking:
            if time.monotonic() - self._asked >= ASK_S:
                alive = [node for node in nodes if node["Alive"]]
                with ThreadPoolExecutor(max(1, len(alive))) as threads:
                    found = [*threads.map(_ask, alive)]
                self._told.extend(line for line in found if line is not None)
                self._asked = time.monotonic()
            known = {node["NodeID"] for node in nodes}
            return [line for line in self._told if line["node"] in known]


def _ask(node: dict[str, Any]) -> Line | None:
    """Ask the agent of a node; None: it tells nothing (yet)."""
    connection = HTTPConnection(
        node["NodeManagerAddress"], node["MetricsExportPort"], timeout=ANSWER_S
    )
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read(MOST_BYTES).decode()
        used = used_of(text)
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if used is None:
        return None
    about = {"kind": "usage", "at": time.time(), "node": node["NodeID"]}
    return {**about, "cpu": used[0], "memory": used[1]}


def used_of(text: str) -> tuple[float, int] | None:
    """Return the CPUs and the bytes that all processes of a node use.

    Raises:
        ValueError: a metric is no number.
    """
    found = METRIC.findall(text)
    if not found:
        return None
    sums = {"cpu_percentage": 0.0, "rss_bytes": 0.0}
    for name, value in found:
        sums[name] += float(value)
    return round(sums["cpu_percentage"] / 100, 3), int(sums["rss_bytes"])
