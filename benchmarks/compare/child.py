"""The child that measures one version of minimr: its own `minimr`, our cases.

It may import nothing of this project but the cases, which are the same for
all versions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.micro.cases import OPTIONS, cases, rate, start_times


def serve() -> None:
    """Do what this tree's process asks for. Runs in: a child."""
    import minimr as ray

    own, sys.stdout = sys.stdout, sys.stderr
    coming: Iterator[Any] = iter(())
    case: Any = None
    for line in sys.stdin:
        what, *rest = json.loads(line)
        answer: Any = None
        if what == "where":
            answer = str(Path(ray.__file__).parent)
        elif what == "start":
            answer = start_times(ray, "minimr")["init to first result"]
        elif what == "begin":
            ray.init(num_cpus=2, **OPTIONS["minimr"])
            coming = cases(ray)
        elif what == "next":
            case = next(coming, None)
            answer = case and case[0]
        elif what == "run":
            answer = rate(case, *rest)
        own.write(json.dumps(answer) + "\n")
        own.flush()
    ray.shutdown()


if __name__ == "__main__":
    serve()
