"""The same word count three times: a for loop, sockets, and tasks.

Watch: the page has the tasks of the last one; `minimr show wordcount BOOKS
--engine sockets,minimr,ray` has all of them on one axis.
"""

from importlib import import_module
from typing import Any

from minimr.shared.mapreduce.wordcount import TEXTBOOK

SPLITS = [[f"the cat sat on mat {n}"] * 10_000 for n in range(6)]
MODULES = ("minimr.serial.mapreduce", "minimr.sockets.mapreduce")


def main(api: Any, cluster: Any) -> None:
    """Run one job on three implementations of one interface."""
    serial, sockets = (import_module(name).MapReduce for name in MODULES)
    tasks = import_module("ray_impl.mapreduce").MapReduce
    found = []
    for engine in (serial(), sockets(3), tasks(api=api)):
        with engine:
            result = engine.run(TEXTBOOK, SPLITS, 3)
            found.append(result.merged())
        seconds = result.stats.seconds
        print(f"{engine.name}: {len(found[-1])} words in {seconds:.2f} s")
    assert found[0] == found[1] == found[2]
    assert found[0]["cat"] == 60_000
