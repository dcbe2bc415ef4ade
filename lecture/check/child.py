"""`python -m lecture.check.child PART NOTEBOOK ENGINE ADDRESS OUT`.

It runs the checks, in the process that is watched. Every check is a line of
JSON in OUT when it begins, and another one with what it has found: so what was
found is kept when the process is ended.

A copy of this process, which a student's code has forked, ends when it comes
back to the checks: it would write all of it once more.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from lecture.check.findings import Finding, StartError, findings
from lecture.check.recorder import Recorder
from lecture.check.source import SourceError, cells_of

NUM_CPUS = 4  # of a cluster that is started: the same on every machine
TRIES = 3  # an engine may not start on a machine that is too busy


def main(part: str, path: str, engine: str, address: str, out: str) -> None:
    """Write what is found into a file."""
    module = import_module(f"lecture.check.{part}")
    verbs, me = verbs_of(engine, address), os.getpid()
    with open(out, "a", encoding="utf-8", buffering=1) as file:

        def write(line: dict[str, Any]) -> None:
            if os.getpid() != me:
                os._exit(0)
            file.write(json.dumps(line) + "\n")

        try:
            cells = cells_of(Path(path))
            student = module.Student(
                cells,
                Path(path).absolute(),
                Recorder(verbs),
                lambda: start(verbs, address),
            )
            for found in findings(
                module.CHECKS, student, lambda title: write({"begins": title})
            ):
                write(asdict(found))
        except SourceError as error:
            write(asdict(Finding("the notebook can be read", str(error))))
        except StartError as error:
            write({"no engine": str(error)})
        finally:
            verbs.shutdown()
        write({"done": True})


def verbs_of(engine: str, address: str = "") -> Any:
    """Return the module that has the verbs of an engine."""
    if engine == "ray":  # sets what Ray reads when it is imported
        return import_module("ray_impl.cluster").load_ray(bool(address))
    return import_module(engine)


def start(verbs: Any, address: str = "") -> None:
    """Start the engine, or join the cluster at an address.

    Raises:
        StartError: it does not start, although it has been tried again.
    """
    cluster = import_module("ray_impl.cluster")
    more = {"log_to_driver": True}
    for left in reversed(range(TRIES)):
        try:
            if address:
                verbs.init(address=address, **{**cluster.quiet(verbs), **more})
            else:
                cluster.start_cluster(verbs, NUM_CPUS, **more)
            return
        except Exception as error:
            verbs.shutdown()
            if not left:
                name = verbs.__name__
                raise StartError(f"{name} has not started: {error}") from error


if __name__ == "__main__":
    main(*sys.argv[1:])
