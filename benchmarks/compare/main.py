"""Two versions of minimr in one run: is this one slower than that commit?

    this process ─┬─ pipe ─> child: minimr of the commit   next, run, start
                  └─ pipe ─> child: minimr of this tree

Rules:

1. Both run the same cases, those of this tree; only `minimr` differs.
2. They take turns, round by round, each on a cluster of its own that stays
   up meanwhile; the order changes with each round.
3. A ratio is of rounds that were neighbours. Shown are the median of the
   ratios and an interval that covers the true one nineteen times of twenty,
   drawn again and again from the rounds (the bootstrap; Efron, 1979).
"""

from __future__ import annotations

import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[2]
PACKAGES = ("minimr", "ray_impl", "dqn")
DRAWS = 2000


class Version:
    """A child process that measures one version."""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join([str(folder), str(ROOT)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.compare.child"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        where = Path(self.ask("where"))
        assert where == folder / "minimr", f"{where} is measured, not {folder}"

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
def checked_out(commit: str) -> Iterator[Path]:
    """Lay a commit's packages in a folder of their own."""
    command = ["git", "archive", commit, *PACKAGES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode:
        raise click.ClickException(done.stderr.decode().strip())
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder).resolve()


def interval(ratios: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return where the true median ratio lies, nineteen times of twenty."""
    dice = random.Random(seed)
    medians = sorted(
        statistics.median(dice.choices(ratios, k=len(ratios)))
        for _ in range(DRAWS)
    )
    return medians[DRAWS // 40], medians[-1 - DRAWS // 40]


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


def row(
    name: str, before: Sequence[float], now: Sequence[float]
) -> dict[str, Any]:
    """Print and return what became of one case; more is better."""
    ratios = [new / old for old, new in zip(before, now, strict=True)]
    low, high = interval(ratios)
    middle = statistics.median(ratios)
    click.echo(
        f"{name:46}{statistics.median(before):>12,.1f}"
        f"{statistics.median(now):>12,.1f}{middle:>8.2f}"
        f"   {low:.2f}-{high:.2f}"
    )
    return {"name": name, "before": before, "now": now, "ratio": middle}


@click.command()
@click.argument("commit")
@click.option("--rounds", default=7, show_default=True)
@click.option("--seconds", default=0.5, show_default=True, help="a round")
@click.option("--only", default="", help="cases whose name has this text")
@click.option("--json", "path", type=click.Path(), help="write the rows")
def compare(
    commit: str, rounds: int, seconds: float, only: str, path: str | None
) -> None:
    """Run the microbenchmark on COMMIT and on this tree, interleaved."""
    load = os.getloadavg()[0]
    rows = []
    with ExitStack() as stack:
        folders = [stack.enter_context(checked_out(commit)), ROOT]
        versions = [Version(folder) for folder in folders]
        for version in versions:
            stack.callback(version.close)
        click.echo(f"{'':46}{commit[:11]:>12}{'this':>12}{'ratio':>8}")
        starts = rounds_of(versions, rounds, "start")
        per_second = [[1 / took for took in times] for times in starts]
        rows.append(row("starts, init to first result", *per_second))
        for version in versions:
            version.ask("begin")
        names = iter(
            lambda: {version.ask("next") for version in versions}, {None}
        )
        for (name,) in names:  # the same one in both
            if only in name:
                rounds_of(versions, 1, "run", 0.2)  # warm
                found = rounds_of(versions, rounds, "run", seconds)
                rows.append(row(name, *found))
    after = os.getloadavg()[0]
    click.echo(f"load before {load:.1f}, after {after:.1f}; rates a second")
    if path:
        Path(path).write_text(json.dumps({"commit": commit, "rows": rows}))
