"""`minimr show` and `minimr why`: what a run did, as a page and in words.

FILE ...        traces of runs ──────────┐
wordcount PATH  runs it, and records ────┼─> a page on 127.0.0.1, or a
--seed 17 FILE  plays it, simulated ─────┤
(nothing)       the cluster that runs ───┘   file; or lines of text
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import shlex
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from minimr.cli.console import say
from minimr.cli.engines import some_of
from minimr.cli.pages import save, save_page, serve
from minimr.cli.recorded import WordCount
from minimr.cli.simulate import played, record
from minimr.ladder import ENGINES, EngineError
from minimr.system.files import check_writable
from minimr.system.leaving import deaf

MAX_FILE_BYTES = 200_000_000

WHAT = click.argument(
    "what", nargs=-1, metavar="[FILE]... | wordcount PATH... | PROGRAM"
)
ENGINE = some_of("--engine", ENGINES, "sockets,minimr", "Of wordcount. ")
WORKERS = click.option("--workers", type=click.IntRange(min=1), default=2)
ADDRESS = click.option(
    "--address", default="auto", help="HOST:PORT of the cluster to show."
)
RAY = click.option("--ray", is_flag=True, help="The cluster is Ray's.")


@click.command()
@WHAT
@ENGINE
@WORKERS
@ADDRESS
@RAY
@click.option(
    "--html", "page", metavar="FILE", help="Write the page, and end."
)
@click.option("--trace", metavar="FILE", help="Write the trace as well.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Play PROGRAM simulated, as `minimr simulate` does.",
)
@played
@click.option(
    "--branch",
    metavar="ENTRY:CHANGE",
    help="With --seed: another future beside it. The page says which.",
)
@click.option("--port", default=0, help="Port of the page; 0: any free one.")
@click.option("--door", type=int, hidden=True, help="Of `core/node/page.py`.")
@click.pass_context
def show(
    context: click.Context,
    /,
    what: tuple[str, ...],
    engine: list[str],
    workers: int,
    address: str,
    ray: bool,
    page: str | None,
    trace: str | None,
    seed: int | None,
    branch: str | None,
    port: int,
    door: int | None,
    **play: Any,
) -> None:
    """Show runs: who ran what, when and why, on a page for the projector.

    FILE is a trace, of `--trace` or of `minimr simulate`. `wordcount PATH...`
    runs a word count on each --engine first; --seed plays a PROGRAM of
    `minimr simulate`. Without any, the cluster that runs here is shown, live.
    """
    for path in filter(None, (page, trace)):
        check_writable(path)
    if seed is not None and not what:
        raise click.UsageError("--seed goes with a PROGRAM")
    if seed is None and branch is not None:
        raise click.UsageError("--branch goes with --seed")
    for name in play if seed is None else ():
        if context.get_parameter_source(name) != ParameterSource.DEFAULT:
            option = name.removesuffix("_s")
            raise click.UsageError(f"--{option} goes with --seed")
    if seed is None:
        stage = _stage(what, engine, workers, address, ray, door is None)
    else:
        stage = simulated(what, seed, play, branch)
    if trace is not None:
        save(trace, stage.look())
    if page is not None:
        save_page(page, stage.look())
    if trace is None and page is None:
        serve(stage, port, door)


@click.command()
@WHAT
@ENGINE
@WORKERS
@ADDRESS
@RAY
def why(
    what: tuple[str, ...],
    engine: list[str],
    workers: int,
    address: str,
    ray: bool,
) -> None:
    """Say where the time of runs went, and what would help.

    What is looked at is the same as with `minimr show`.
    """
    lines_of = importlib.import_module("lecture.why").lines_of
    for run in _stage(what, engine, workers, address, ray).look():
        for line in lines_of(run):
            say(line)


def _stage(
    what: Sequence[str],
    engine: list[str],
    workers: int,
    address: str,
    ray: bool,
    adds: bool = True,
) -> Any:
    """Return what is shown: a cluster, a job that can run again, or files."""
    if not what:
        return _cluster(address, ray, adds)
    if what[0] == "wordcount":
        job = WordCount(what[1:], workers)
        killable = [name for name in engine if name != "serial"]
        stage = importlib.import_module("lecture.job").JobStage
        return stage(job.record(engine), job.again, killable)
    training = importlib.import_module("lecture.from_training")
    if all(training.is_training(_text(name)) for name in what):
        stage = training.Training(what)
        try:
            stage.look()
        except (RuntimeError, ValueError) as error:  # DQN's own as well
            raise EngineError(str(error)) from None
        return stage
    runs = [run for name in what for run in read(name)]
    return importlib.import_module("lecture.stage").Stage(runs)


def simulated(
    what: Sequence[str],
    seed: int,
    play: dict[str, Any],
    branch: str | None = None,
) -> Any:
    """Return a seed, played, and what plays other futures of it."""

    def other(branch: str) -> Any:
        # Elsewhere: while a process simulates, its clock is not the real one.
        context = multiprocessing.get_context("spawn")
        with deaf(), ProcessPoolExecutor(1, context) as pool:
            return pool.submit(run_of, what, seed, play, branch).result()

    runs = [run_of(what, seed, play)]
    if branch is not None:
        runs.append(run_of(what, seed, play, branch))
    return importlib.import_module("lecture.futures").Futures(runs, other)


def run_of(
    what: Sequence[str], seed: int, play: dict[str, Any], branch: str = ""
) -> Any:
    """Play a program, simulated, or another future of it.

    Raises:
        EngineError: no such program, or no such branch.
    """
    simulation = importlib.import_module("lecture.from_simulation")
    name, *arguments = what
    entries = record(name, arguments, seed, branch=branch, **play)
    run = simulation.run_of(entries, f"{name}, seed {seed}")
    usual = {option.name: option.default for option in show.params}
    command = ["minimr", "show", *what, "--seed", str(seed)]
    for key, value in play.items():
        if value != usual[key]:
            command += [f"--{key.removesuffix('_s')}", str(value)]
    run.about |= {"command": shlex.join(command), "seed": seed}
    if branch:
        run.about["program"] += f", branch {branch}"
    return run


def read(name: str) -> list[Any]:
    """Read the runs of a file.

    Raises:
        EngineError: it is not there, too large, or no trace.
    """
    trace = importlib.import_module("lecture.trace")
    simulation = importlib.import_module("lecture.from_simulation")
    text = _text(name).splitlines()
    with suppress(ValueError, IndexError):
        if simulation.is_simulated(json.loads(text[0])):
            entries = [json.loads(line) for line in text]
            return [simulation.run_of(entries, Path(name).name)]
    try:
        found: list[Any] = trace.read(text, name)
    except trace.TraceError as error:
        raise EngineError(str(error)) from None
    return found


def _text(name: str) -> str:
    try:
        if Path(name).stat().st_size > MAX_FILE_BYTES:
            raise EngineError(f"{name} is too large to be shown")
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{name} cannot be read: {error}") from None


def _cluster(address: str, ray: bool, adds: bool) -> Any:
    """Join the cluster that runs here, for a page."""
    cluster = importlib.import_module("ray_impl.cluster")
    name = "ray" if ray else "minimr"
    where = cluster.running(name) if address == "auto" else address
    if where is None:
        raise EngineError(
            f"no cluster of {name} runs here: start one with "
            f"`{name} start --head`, or give a trace"
        )
    api = (
        cluster.load_ray(joining=True)
        if ray
        else importlib.import_module(name)
    )
    cluster.join_cluster(api, where)
    stage = importlib.import_module("lecture.cluster").ClusterStage
    return stage(api, where, adds)
