"""The commands that bring text to count: `minimr corpus gutenberg`.

Rules:

1. On a terminal one bar moves; elsewhere every book is one plain line.
2. Exit codes: 0 all books are here, 1 some failed and each has its line on
   stderr, 2 the folder or an argument is bad, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

from minimr.datasets.gutenberg import (
    MIRROR,
    OnProgress,
    Progress,
    Report,
    Settings,
    download,
    url_template,
)
from minimr.datasets.gutenberg_ids import BOOKS
from minimr.datasets.partial_file import FolderError
from minimr.system.leaving import raising

BAD_INPUT = 2
STOPPED_BY_CTRL_C = 130  # 128 + SIGINT, as shells have it


@click.group()
def corpus() -> None:
    """Bring text to count."""


def _checked_mirror(
    context: click.Context, option: click.Parameter, mirror: str
) -> str:
    try:
        url_template(mirror)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return mirror


@corpus.command()
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the books, created if missing.",
)
@click.option(
    "--mirror",
    default=MIRROR,
    show_default=True,
    callback=_checked_mirror,
    metavar="URL",
    help="Another server; {id} stands for the number of a book.",
)
@click.option(
    "--interval",
    default=Settings.interval_s,
    show_default=True,
    type=click.FloatRange(0, 3600),
    metavar="SECONDS",
    help="Minimum time between two requests.",
)
@click.option(
    "--tries",
    default=Settings.tries,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Requests for a book before it counts as failed.",
)
@click.option(
    "--only",
    "ids",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="ID",
    help="Only this book; may be given several times.",
)
def gutenberg(
    folder: Path, mirror: str, interval: float, tries: int, ids: tuple[int]
) -> None:
    """Download 98 books of Project Gutenberg, or those that are missing."""
    settings = Settings(mirror=mirror, interval_s=interval, tries=tries)
    try:
        with raising(), _display() as on_progress:
            report = download(folder, ids or BOOKS, settings, on_progress)
    except FolderError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        click.echo("Stopped. Run the same command again to go on.", err=True)
        sys.exit(STOPPED_BY_CTRL_C)
    _summarise(report, folder)


def _summarise(report: Report, folder: Path) -> None:
    click.echo(
        f"{folder}: {len(report.downloaded)} downloaded, "
        f"{len(report.resumed)} resumed, {len(report.skipped)} here before, "
        f"{len(report.failed)} failed"
    )
    for book_id, reason in report.failed:
        click.echo(f"pg{book_id}.txt: {reason}", err=True)
    if report.failed:
        click.echo(
            "The same command tries them again; --mirror asks another server.",
            err=True,
        )
        sys.exit(1)


@contextmanager
def _display() -> Iterator[OnProgress]:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        yield _print_line
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("", total=None)

        def move(now: Progress) -> None:
            if now.state == "waiting":
                bar.console.print(_line(now))
            ended = now.state in ("done", "skipped", "failed")
            part = now.bytes_done / now.bytes_total if now.bytes_total else 0.0
            bar.update(
                task,
                total=now.of,
                completed=now.number - 1 + (1.0 if ended else part),
                description=_name_and_size(now),
            )

        yield move


def _print_line(now: Progress) -> None:
    if now.state in ("done", "waiting"):  # failures come with the summary
        click.echo(_line(now))


def _line(now: Progress) -> str:
    text = now.note or BOOKS.get(now.book_id, "")
    return f"[{now.number}/{now.of}] {_name_and_size(now)}  {text}".rstrip()


def _name_and_size(now: Progress) -> str:
    name = f"pg{now.book_id}.txt"
    if now.state == "done":
        return f"{name} {decimal(now.bytes_done)}"
    if now.state == "loading" and now.bytes_total:
        return (
            f"{name} {decimal(now.bytes_done)} of {decimal(now.bytes_total)}"
        )
    return name
