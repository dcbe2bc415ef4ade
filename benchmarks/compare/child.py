"""The child that measures one version: its own packages, our cases.

It imports nothing of this project but the cases, which are the same for all
versions.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.compare.cases import BENCHMARKS
from benchmarks.micro.cases import rate


def forget_the_installed() -> None:
    """Find no module of this project but where the version is.

    An editable installation would find those that the version lacks.
    """
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not getattr(finder, "__module__", "").startswith("__editable__")
    ]


def serve() -> None:
    """Do what this tree's process asks for. Runs in: a child."""
    forget_the_installed()
    own, sys.stdout = sys.stdout, sys.stderr
    coming: Iterator[Any] = iter(())
    case: Any = None
    for line in sys.stdin:
        what, *rest = json.loads(line)
        answer: Any = None
        if what == "where":
            files = [importlib.import_module(name).__file__ for name in rest]
            answer = [str(Path(file or "").parent.parent) for file in files]
        elif what == "begin":
            name, about = rest
            coming = BENCHMARKS[name](**about)
        elif what == "next":
            case = next(coming, None)
            answer = case and case[0]
        elif what == "run":
            answer = rate(case, *rest)
        own.write(json.dumps(answer) + "\n")
        own.flush()


if __name__ == "__main__":
    serve()
