"""Two versions in one run: is this one slower than that commit?

    this process ─┬─ pipe ─> child: the version of the commit
                  └─ pipe ─> child: the version of this tree

Rules:

1. Each version has an environment: a folder with its own packages, and a
   home for what its clusters note. Python, what is installed in it, and
   the cases of the benchmark are the same for both.
2. They take turns, round by round, each on a cluster of its own that stays
   up meanwhile; the order changes with each round.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from benchmarks.common import tables
from benchmarks.common.options import AT_LEAST_ONE, output_file
from benchmarks.common.ratios import head, row
from benchmarks.compare.cases import BENCHMARKS
from benchmarks.wordcount.work import plan
from minimr.shared.mapreduce.corpus import InputError

ROOT = Path(__file__).parents[2]
PACKAGES = ("minimr", "ray_impl", "dqn")


class Version:
    """A child process that measures the version in a folder.

    Args:
        variables: set in its environment alone.
    """

    def __init__(
        self, folder: Path, variables: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        home = folder / "home"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.compare.child"],
            cwd=folder,
            env={
                **os.environ,
                **variables,
                "PYTHONPATH": str(folder),
                "MINIMR_HOME": str(home),
                "MINIMR_TOKEN_FILE": str(home / "token"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for where in self.ask("where", *PACKAGES):
            assert where == str(folder), f"{where} is measured, not {folder}"

    def ask(self, *question: Any) -> Any:
        """Have the child do something. Blocks: until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise click.ClickException("a version has died; see above")
        return json.loads(answer)

    def close(self) -> None:
        """End the child. Blocks: until its cluster has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def environment(commit: str | None) -> Iterator[Path]:
    """Lay out a commit, or this tree as it is, with our cases beside it."""
    with tempfile.TemporaryDirectory(prefix="minimr-compare-") as name:
        folder = Path(name).resolve()
        (folder / "home").mkdir(mode=0o700)
        if commit is not None:
            command = ["git", "archive", commit, *PACKAGES]
            done = subprocess.run(
                command,
                cwd=ROOT,
                capture_output=True,
                start_new_session=True,
            )
            if done.returncode:
                raise click.ClickException(done.stderr.decode().strip())
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                archive.extractall(folder, filter="data")
        for package in ("benchmarks", *(() if commit else PACKAGES)):
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, folder / package, ignore=unwanted)
        yield folder


def rounds_of(
    versions: Sequence[Version], rounds: int, *question: Any
) -> list[list[float]]:
    """Ask all versions in turn; the order changes with each round."""
    found: list[list[float]] = [[] for _ in versions]
    for number in range(rounds):
        turns = [*enumerate(versions)]
        for index, version in turns if number % 2 else turns[::-1]:
            found[index].append(version.ask(*question))
    return found


def names(versions: Sequence[Version]) -> Iterator[str]:
    """Go on to each case in turn, as long as all versions have it."""
    while True:
        found = {version.ask("next") for version in versions}
        if None in found:
            return  # what is left, an earlier version cannot do
        (name,) = found
        yield name


def variables(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Return what is to be set, by names."""
    pairs = [each.partition("=") for each in given]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise click.BadParameter(f"{name!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


@click.command()
@click.argument("commit")
@click.argument("name", default="micro", type=click.Choice([*BENCHMARKS]))
@click.argument("books", nargs=-1, type=click.Path())
@click.option("--rounds", default=7, show_default=True, type=AT_LEAST_ONE)
@click.option("--seconds", default=0.5, show_default=True, help="A round.")
@click.option("--only", default="", help="Cases whose name has this text.")
@click.option(
    "--set",
    "set_",
    metavar="NAME=VALUE",
    multiple=True,
    callback=variables,
    help="In the environment of COMMIT alone, as MINIMR_TRACE=off.",
)
@output_file("--json", "Write machine and every rate.")
def compare(
    commit: str, name: str, books: tuple[str, ...], **chosen: Any
) -> None:
    """Run benchmark NAME on COMMIT and on this tree, interleaved.

    BOOKS are files and folders for wordcount; by default the source of
    Python's standard library.
    """
    rounds, load, rows = chosen["rounds"], os.getloadavg()[0], []
    about = _input(books) if name == "wordcount" else {}
    if books and not about:
        raise click.UsageError(f"{name} reads no books")
    with ExitStack() as stack:
        versions = []
        for version, own in ((commit, chosen["set_"]), (None, {})):
            folder = stack.enter_context(environment(version))
            child = Version(folder, own)
            versions.append(stack.enter_context(closing(child)))
            versions[-1].ask("begin", name, about)
        head(commit[:11], "this")
        for case in names(versions):
            if chosen["only"] in case:
                rounds_of(versions, 1, "run", 0.2)  # warm
                found = rounds_of(versions, rounds, "run", chosen["seconds"])
                rows.append(row(case, before=found[0], now=found[1]))
    click.echo(
        f"rates per second; load before {load:.1f}, after "
        f"{os.getloadavg()[0]:.1f}"
    )
    if chosen["json"]:
        tables.write_json(
            chosen["json"], "compare", commit=commit, name=name, rows=rows
        )


def _input(books: tuple[str, ...]) -> dict[str, Any]:
    """Find the files here, so that all versions count the same ones."""
    try:
        work = plan("combined", books, 2)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    return {
        "files": [os.path.abspath(path) for path in work.paths],
        "map_tasks": work.map_tasks,
        "reduce_tasks": work.reduce_tasks,
        "megabytes": work.total_bytes / 1e6,
    }
