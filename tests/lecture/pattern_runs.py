"""Records the programs of the patterns, and says what `why` names.

    python -m tests.lecture.pattern_runs minimr
    python -m tests.lecture.pattern_runs ray [PROGRAM ...]

Each leaves patterns/ENGINE.jsonl, which the tests read, and prints a table.
With a PROGRAM, only that one is recorded anew.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from lecture.recording import Recording
from lecture.trace import Run, read, write
from lecture.why import why
from minimr.cli.console import say
from ray_impl.cluster import load_ray, quiet
from tests.lecture.pattern_programs import CPUS, PATTERNS, STORE_BYTES, Program

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "patterns"
KEPT = ("node", "task", "wait", "call", "seen")  # what rules look at


def start(engine: str) -> Any:
    """Start a small cluster; return the module with the verbs."""
    if engine == "ray":
        os.environ.setdefault("RAY_PROFILING", "1")  # it tells of waits
        api = load_ray()
    else:
        api = import_module(engine)
    options = {"num_cpus": CPUS, "object_store_memory": STORE_BYTES}
    options |= {"log_to_driver": False}
    api.init(address="local", **{**options, **quiet(api)})
    return api


def record(api: Any, program: Program) -> Run:
    """Run a program; return what was recorded."""
    with Recording(api.__name__, program.__name__, api) as recording:
        kept = program(api)
    made = recording.run()
    del kept
    made.lines = [line for line in made.lines if line["kind"] in KEPT]
    return made


def recorded(engine: str) -> dict[str, Run]:
    """Return the runs that were recorded: {program: run}."""
    with (FOLDER / f"{engine}.jsonl").open() as file:
        runs = read(file)
    return {str(run.about["program"]): run for run in runs}


def names(run: Run) -> list[str]:
    """Return what `why` names in a run."""
    return [finding.name for finding in why(run).findings]


def main(engine: str, only: list[str]) -> None:
    """Record all on an engine, and print what was named."""
    pairs = PATTERNS.values()
    programs = {each.__name__: each for pair in pairs for each in pair}
    runs = recorded(engine) if only else {}
    api = start(engine)
    try:
        for name in only or programs:
            runs[name] = record(api, programs[name])
    finally:
        api.shutdown()
    FOLDER.mkdir(exist_ok=True)
    text = write(runs.values()).replace(f"{ROOT}/", "")
    (FOLDER / f"{engine}.jsonl").write_text(text)
    for name, (program, better) in PATTERNS.items():
        there = name in names(runs[program.__name__])
        wrongly = name in names(runs[better.__name__])
        say(f"{'yes' if there else 'NO':3} {'WRONGLY' * wrongly} {name}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
