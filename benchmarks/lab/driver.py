"""A driver that runs what it is asked for, line by line.

    python -m benchmarks.lab.driver ENGINE HOST:PORT [SILENCE_S]

    {"call": "module:function", "args": {...}} ──> function(engine, **args)
                  {"answer": ...} or {"error": traceback} <──┘

It runs in a node of the lab. `team.py`, which asks it, runs outside.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

from benchmarks.lab.engines import NODE
from minimr.interface.mapreduce import Job, MapReduce
from minimr.ladder import Options, open_engine, verbs_of
from minimr.net.channel import parse_address

GLANCE_S = 0.03  # how long a task of `who_works` takes


def main(engine_name: str, where: str, silence_s: float) -> None:
    """Open the engine, and run calls until the input ends."""
    answers = _take_stdout()
    start = time.perf_counter()
    with _open(engine_name, where, silence_s) as engine:
        _say(answers, {"answer": time.perf_counter() - start})
        for line in sys.stdin:
            try:
                _say(answers, {"answer": _obey(engine, **json.loads(line))})
            except Exception:  # noqa: BLE001  it is sent to `team.py`
                _say(answers, {"error": traceback.format_exc()})


def who_works(engine: MapReduce, tasks: int) -> dict[str, int]:
    """Return how many tasks of a small job each node has run."""
    job = Job("who works", _name_node, _total)
    result = engine.run(job, [GLANCE_S] * tasks, 1)
    counts = result.merged()
    result.close()
    return counts


def count_nodes(engine: MapReduce) -> int:
    """Return how many nodes an engine's cluster believes to be alive."""
    return sum(node["Alive"] for node in verbs_of(engine).nodes())


def _name_node(seconds: float) -> Mapping[str, int]:
    time.sleep(seconds)
    return {os.environ[NODE]: 1}


def _total(node: str, ones: list[int]) -> int:
    return Counter(ones)[1]


def _open(name: str, where: str, silence_s: float) -> MapReduce:
    address = parse_address(where)
    if name != "sockets":
        return open_engine(name, Options(1, address=address))
    from minimr.sockets.cluster.membership import Timing
    from minimr.sockets.mapreduce import MapReduce as FromScratch

    return FromScratch(1, address, timing=Timing(silence_timeout_s=silence_s))


def _obey(engine: MapReduce, call: str, args: dict[str, Any]) -> Any:
    module, _, function = call.partition(":")
    return getattr(importlib.import_module(module), function)(engine, **args)


def _take_stdout() -> TextIO:
    """Keep standard output for answers; prints go to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
