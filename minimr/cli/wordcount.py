"""`minimr wordcount`: one job, on one engine after the other.

find files ─> cut splits ─> each engine: run, totals, top, merged
                                   └─> table, files, identical or not
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from minimr.cli import count_files, pages, recorded
from minimr.cli.console import (
    ProgressDisplay,
    note,
    number_of,
    say,
)
from minimr.cli.engines import ADDRESS, Engines, host_port, some_of
from minimr.cli.results_table import Measured, table, write_json
from minimr.interface.mapreduce import MapReduce
from minimr.ladder import ENGINES
from minimr.net.channel import Address
from minimr.shared.mapreduce.corpus import (
    NOT_UTF8,
    FileSplit,
    default_num_reduce_tasks,
    default_num_splits,
    find_files,
    split_files,
    standard_library,
    tell_left_out,
)
from minimr.shared.mapreduce.sources import Source, look
from minimr.shared.mapreduce.wordcount import JOBS, job_named
from minimr.system import files
from minimr.system.leaving import calling

Words = dict[str, int]


POSITIVE = click.IntRange(min=1)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@some_of("--engine", ENGINES, "all")
@click.option(
    "--workers",
    type=POSITIVE,
    help="Processes to start. [default: one per core, or a cluster's]",
)
@click.option("--map-tasks", type=POSITIVE, help="Splits of the input.")
@click.option("--reduce-tasks", type=POSITIVE, help="Partitions of the keys.")
@click.option(
    "--job",
    type=click.Choice(list(JOBS)),
    default="combined",
    show_default=True,
    help="A pair for every word, or words counted per map task first; "
    "arrow does so with pyarrow.",
)
@click.option("--top", type=click.IntRange(min=0), default=20)
@click.option("--output", metavar="FILE", help="Write word<TAB>count lines.")
@click.option("--expect", metavar="FILE", help="Compare with such a file.")
@click.option("--json", "json_file", metavar="FILE", help="Write the table.")
@click.option("--trace", metavar="FILE", help="Write it for `minimr show`.")
@ADDRESS
@click.option(
    "--listen",
    callback=host_port,
    metavar="HOST:PORT",
    help="Let workers join `sockets` here.",
)
def wordcount(
    paths: tuple[str, ...],
    engine: list[str],
    workers: int | None,
    map_tasks: int | None,
    reduce_tasks: int | None,
    job: str,
    top: int,
    output: str | None,
    expect: str | None,
    json_file: str | None,
    trace: str | None,
    address: str | None,
    listen: Address | None,
) -> int:
    """Count the words of files and folders.

    Without a PATH, those of Python's own library; - is standard input.
    """
    for path in filter(None, (output, json_file, trace)):
        files.check_writable(path)
    job_named(job)
    expected = None if expect is None else count_files.read_counts(expect)
    sources = _sources(paths)
    size = sum(source.size for source in sources)
    with Engines(engine, workers, address, listen) as engines:
        engines.join()
        splits = split_files(
            sources, map_tasks or default_num_splits(size, engines.workers)
        )
        reduces = reduce_tasks or default_num_reduce_tasks(
            size, engines.workers
        )
        note(
            f"{number_of(len(sources), 'file')}, {size / 1e6:,.1f} MB; "
            f"job {job}: {number_of(len(splits), 'map task')}, "
            f"{number_of(reduces, 'reduce task')}, "
            f"{number_of(engines.workers, 'worker')}"
        )
        session = Session(job, splits, reduces, size, expected, top)
        session.keep_counts = len(engine) > 1 or bool(output or expect)
        session.records = trace is not None
        for name in engine:
            engines.run(name, session.run)
    session.show()
    _save(session, output, json_file)
    if trace is not None:
        pages.save(trace, session.runs)
    return 1 if session.differences or engines.failed else 0


def _sources(paths: tuple[str, ...]) -> list[Source]:
    """Return the input, and print what is special about it."""
    left_out: list[tuple[str, str]] = []
    if paths:
        found = find_files(paths, lambda *what: left_out.append(what))
    else:
        found = standard_library()
    if left_out:
        note(tell_left_out(left_out))
    sources = [look(path) for path in found]
    whole = [source for source in sources if source.whole]
    if whole:
        kinds = ", ".join(sorted({source.whole for source in whole}))
        note(
            f"{number_of(len(whole), 'file')} cannot be cut, and each is read "
            f"by one map task: {kinds}"
        )
    return sources


def _save(session: Session, output: str | None, json_file: str | None) -> None:
    if output is not None:
        count_files.write_counts(output, session.counts)
        note(f"wrote {number_of(len(session.counts), 'word')} to {output}")
    if json_file is not None:
        write_json(json_file, session.rows)


class Session:
    """The same job on one engine after the other.

    Attributes:
        rows: what the run of each engine has cost.
        counts: of the first engine, if `keep_counts`.
        differences: lines, one per word whose counts differ.
        runs: what each engine did, if `records`.
    """

    def __init__(
        self,
        job: str,
        splits: Sequence[FileSplit],
        reduce_tasks: int,
        size: int,
        expected: Words | None,
        top: int,
    ) -> None:
        self.rows: list[Measured] = []
        self.counts: Words = {}
        self.differences: list[str] = []
        self.keep_counts = self.records = False
        self.runs: list[Any] = []
        self._job = JOBS[job]
        self._splits = splits
        self._reduce_tasks = reduce_tasks
        self._size = size
        self._expected = expected
        self._top = top
        self._words: list[tuple[str, int]] = []
        self._not_utf8: set[str] = set()

    def run(self, name: str, engine: MapReduce, startup: float) -> None:
        """Run the job on an open engine."""
        display = ProgressDisplay(name)
        with calling(display.close):
            try:
                self._run(name, engine, startup, display)
            finally:
                display.close()

    def _run(
        self,
        name: str,
        engine: MapReduce,
        startup: float,
        display: ProgressDisplay,
    ) -> None:
        work = self._job, self._splits, self._reduce_tasks
        if self.records:
            program = f"word count, {self._size / 1e6:,.1f} MB"
            result, run = recorded.run(engine, program, work, display.update)
            self.runs.append(run)
        else:
            result = engine.run(*work, display.update)
        display.close()
        totals = result.apply(_totals)
        row = Measured.of(name, self._job.name, result.stats, startup)
        row.input_bytes = self._size
        row.words = sum(words for words, _ in totals)
        row.distinct_words = sum(distinct for _, distinct in totals)
        if self.keep_counts:
            row.identical = self._compare(name, result.merged())
        self._words = self._words or result.top(self._top)
        self.rows.append(row)
        self._not_utf8 |= {
            counter.removeprefix(NOT_UTF8)
            for counter in result.stats.counters
            if counter.startswith(NOT_UTF8)
        }

    def show(self) -> None:
        """Print the table, the words and the verdict."""
        table(self.rows)
        width = max((len(word) for word, _ in self._words), default=0)
        for word, number in self._words:
            say(f"{word:<{width}}  {number:>12,}")
        if self._not_utf8:
            example = sorted(self._not_utf8)[0]
            note(
                f"{number_of(len(self._not_utf8), 'file')} had bytes that are "
                f"not UTF-8, counted as U+FFFD: {example}"
                + (", ..." if len(self._not_utf8) > 1 else "")
            )
        if self.differences:
            say("\n".join(["the counts DIFFER:", *self.differences]))
        elif self.keep_counts and (
            self._expected is not None or len(self.rows) > 1
        ):
            whom = [row.engine for row in self.rows]
            whom += [] if self._expected is None else ["the expected ones"]
            say(f"the counts are identical: {', '.join(whom)}")

    def _compare(self, name: str, counted: Words) -> bool:
        if not self.rows:
            self.counts = counted
        reference = self.counts if self._expected is None else self._expected
        lines = count_files.differences(reference, counted)
        self.differences += [f"{name}: {line}" for line in lines]
        return not lines


def _totals(output: Words) -> tuple[int, int]:
    return sum(output.values()), len(output)
