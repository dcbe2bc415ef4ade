"""`python -m lecture NAME`: a demo of one minute, recorded and shown.

lecture/demos/NAME.py: start(api), main(api, cluster)
    ─> each engine, one after the other ─> trace ─> page, `minimr why`

On rung 1, which has jobs and no verbs, `api` is a MapReduce, and `main`
returns the result of a run of it.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from lecture.questions import questions, without_questions
from lecture.recording import Recording
from lecture.stage import Stage
from lecture.trace import Run
from minimr.cli.console import note, say, show_columns
from minimr.cli.guard import guarded
from minimr.cli.pages import save, save_page, serve

HERE = Path(__file__).parent / "demos"
BOTH = ("minimr", "ray")
ENGINES = ("sockets", *BOTH, "both")
CPUS = 3
# In the order of a lecture; each takes a minute.
ORDER = (
    "elsewhere", "waits_for", "more_nodes", "small_tasks", "get_in_a_loop",
    "straggler", "backup_task", "nested_gets", "deadlock", "zero_copy",
    "who_owns_what", "lost_outputs", "killed_worker", "killed_node",
    "actor_restart", "word_count", "consistency",
)  # fmt: skip


def demos() -> dict[str, str]:
    """Return the demos, in the order of a lecture: {name: its first line}."""
    texts = {name: (HERE / f"{name}.py").read_text("utf-8") for name in ORDER}
    return {
        name: text.split("\n", 1)[0].strip('"') for name, text in texts.items()
    }


@click.command()
@click.argument("name", required=False)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    help="minimr, or sockets for what is shown on rung 1.",
)
@click.option("--show", is_flag=True, help="Serve the page of the run.")
@click.option("--html", "page", metavar="FILE", help="Write the page.")
@click.option("--trace", metavar="FILE", help="Write the trace.")
def lecture(
    name: str | None,
    engine: str | None,
    show: bool,
    page: str | None,
    trace: str | None,
) -> None:
    """Run a demo; without a NAME, list them, with the minute of each.

    Each takes less than a minute, needs no second terminal, and checks its
    own result.
    """
    known = demos()
    if name is None:
        show_columns(
            [[str(n), each, known[each]] for n, each in enumerate(known, 1)], 3
        )
        return
    if name not in known:
        raise click.UsageError(
            f"there is no demo {name!r}: choose one of {', '.join(known)}"
        )
    demo = importlib.import_module(f"lecture.demos.{name}")
    shown_on = engines(demo)
    engine = engine or shown_on[0]
    chosen = BOTH if engine == "both" else (engine,)
    if not {*chosen} <= {*shown_on}:
        raise click.UsageError(
            f"{name} is shown on {' and '.join(shown_on)}, not on {engine}"
        )
    say(without_questions(str(demo.__doc__)))
    runs = [run(demo, each) for each in chosen]
    if trace is not None:
        save(trace, runs)
    if page is not None:
        save_page(page, runs)
    if show:
        serve(Stage(runs))
    elif trace is None and page is None:
        note(f"to see it: python -m lecture {name} --engine {engine} --show")


def engines(demo: Any) -> tuple[str, ...]:
    """Return the engines that a demo can be shown on, the usual one first."""
    return getattr(demo, "ENGINES", BOTH)


def run(demo: Any, engine: str) -> Run:
    """Run a demo on an engine, and return what was recorded."""
    note(f"-- on {engine}")
    if engine == "sockets":
        rung: Any = importlib.import_module("minimr.sockets.mapreduce")
        with rung.MapReduce(CPUS) as job_runner:
            return _record(demo, engine, job_runner, None)
    if engine != "ray":
        return _run(demo, engine, importlib.import_module(engine))
    cluster_of = importlib.import_module("ray_impl.cluster")
    os.environ.setdefault("RAY_PROFILING", "1")  # it tells of waits in get
    # Its agents look each second what their nodes use, not every five.
    os.environ.setdefault("REPORTER_UPDATE_INTERVAL_MS", "1000")
    with cluster_of.apart():
        api = cluster_of.load_ray()
        # It would print the whole log of a raylet that a demo kills.
        worker: Any = importlib.import_module("ray._private.worker")
        worker.print_to_stdstream = lambda *_, **__: None
        return _run(demo, engine, api)


def _run(demo: Any, engine: str, api: Any) -> Run:
    cluster_of = importlib.import_module("ray_impl.cluster")
    cluster = None
    try:
        if hasattr(demo, "start"):
            cluster = demo.start(api)
        else:
            cluster_of.start_cluster(api, CPUS)
        return _record(demo, engine, api, cluster)
    finally:
        api.shutdown()
        if cluster is not None:
            cluster.shutdown()


def _record(demo: Any, engine: str, api: Any, cluster: Any) -> Run:
    program = str(demo.__doc__).split("\n", 1)[0]
    verbs = api if engine in BOTH else None
    with Recording(engine, program, verbs) as recording:
        result = demo.main(api, cluster)
    if result is not None:
        recording.lines = result.trace()
    made = recording.run()
    made.lines += questions(str(demo.__doc__), made)
    return made


def main() -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:]
    return guarded(
        "lecture", lambda: lecture.main(arguments, standalone_mode=False)
    )
