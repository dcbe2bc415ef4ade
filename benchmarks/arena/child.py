"""The process that drives one runtime, in that runtime's environment.

It imports nothing of this project but the cases and one adapter, which need
nothing but Python and that runtime. It is asked, and answers, in lines of
JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

from benchmarks.arena.cases import CASES, WITH_ACTORS, Machine, check
from benchmarks.arena.runtime import Runtime
from benchmarks.arena.work import increment


def load(adapter: str) -> Runtime:
    """Return the runtime of an adapter, `module:class`."""
    module, _, name = adapter.partition(":")
    found = importlib.import_module(f"benchmarks.arena.adapters.{module}")
    runtime = getattr(found, name)()
    assert isinstance(runtime, Runtime)
    return runtime


class Questions:
    """What can be asked, by the names of the methods."""

    def __init__(self) -> None:
        self.runtime: Runtime

    def start(self, adapter: str, workers: int) -> None:
        """Start the runtime, and have a first result."""
        self.runtime = load(adapter)
        self.runtime.start(workers)
        check(self.runtime.result(self.runtime.submit(increment, 1)), 2)

    def about(self, packages: list[str]) -> dict[str, Any]:
        """Say which versions are installed, and which cases can be run."""
        return {
            "versions": {name: version(name) for name in packages},
            "takes_futures": self.runtime.takes_futures,
            "cases": [
                name
                for name in CASES
                if self.runtime.has_actors or name not in WITH_ACTORS
            ],
        }

    def case(
        self, name: str, seconds: float, workers: int, peak: float
    ) -> tuple[float, int]:
        """Run a case."""
        return CASES[name](self.runtime, seconds, Machine(workers, peak))

    def stop(self) -> None:
        """Stop the runtime."""
        self.runtime.stop()


def serve() -> None:
    """Answer until nobody asks. Runs in: a child of the arena."""
    own = os.fdopen(os.dup(1), "w")  # what workers print goes elsewhere
    os.dup2(2, 1)
    questions = Questions()
    for line in sys.stdin:
        name, *rest = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"answer": getattr(questions, name)(*rest)}
        except Exception as error:  # noqa: BLE001  forwarded
            lines = traceback.format_exception_only(error)[0].splitlines()
            answer = {"failed": lines[0], "details": traceback.format_exc()}
        own.write(json.dumps(answer) + "\n")
        own.flush()


if __name__ == "__main__":
    serve()
