"""What of the time of the scaling workloads has a name: a table.

    python -m tests.lecture.scaling_parts sockets minimr ray

Each workload in a tenth of its size, on two workers here: a job of an engine
that is recorded, and what `why` says of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.scaling.workloads import WORKLOADS, Size
from lecture.recording import Recording
from lecture.trace import Run
from lecture.why import KINDS, why
from minimr.cli import recorded
from minimr.cli.console import say
from minimr.ladder import Options, open_engine, verbs_of

ROOT = Path(__file__).parents[2]
WORKERS = 2
UNNAMED = "between"


class Recorded:
    """An engine whose next job is recorded."""

    def __init__(self, engine: Any, program: str) -> None:
        self._engine, self._program = engine, program
        self.made: Run | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, *work: Any) -> Any:
        """Run a job as the engine does."""
        result, self.made = recorded.run(
            self._engine, self._program, work, lambda *told: None
        )
        return result


def small() -> Size:
    """Return a tenth of the usual sizes, of the texts that are here."""
    texts = tuple(str(path) for path in sorted(ROOT.glob("docs/*.md")))
    return Size(texts, texts[:5], 20, 10, 9_600_000, 1, 1)


def runs(engine: str, names: Sequence[str]) -> Iterator[Run]:
    """Yield a run of each workload that an engine has."""
    with open_engine(engine, Options(WORKERS)) as opened:
        for name in names:
            work = WORKLOADS[name]
            if engine not in work.engines:
                continue
            arguments = work.arguments(small(), WORKERS)
            call(work.begin, opened, arguments)
            job = Recorded(opened, name)
            if name == "dqn":  # it has actors, and no job
                with Recording(engine, name, verbs_of(opened)) as recording:
                    call(work.call, opened, arguments)
                job.made = recording.run()
            else:
                call(work.call, job, arguments)
            call(work.end, opened, {})
            assert job.made is not None
            yield job.made


def call(what: str, engine: Any, arguments: dict[str, Any]) -> None:
    """Call module:function, if there is one."""
    module, _, function = what.partition(":")
    if module:
        getattr(importlib.import_module(module), function)(engine, **arguments)


def named(run: Run) -> float:
    """Return the share of a run's time that has a name."""
    return 1 - why(run).sums().get(UNNAMED, 0.0) / run.wall_s


def main(engines: list[str]) -> None:
    """Print the table."""
    kinds = [kind for kind in KINDS if kind != UNNAMED]
    say("| engine | workload | s | " + " | ".join([*kinds, "named |"]))
    say("|---" * (len(kinds) + 4) + "|")
    for engine in engines:
        for run in runs(engine, [*WORKLOADS]):
            sums = why(run).sums()
            shares = [f"{sums.get(k, 0) / run.wall_s:.0%}" for k in kinds]
            about = f"| `{engine}` | `{run.about['program']}` | "
            shares += [f"{named(run):.1%} |"]
            say(f"{about}{run.wall_s:.2f} | " + " | ".join(shares))


if __name__ == "__main__":
    main(sys.argv[1:])
