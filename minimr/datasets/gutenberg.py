"""Downloads the 98 books: one after another, slowly, and with retries.

    for every book:  pacer ─> fetch ──────> pg<ID>.txt
                       ^        │ transient
                       └────────┘ hold, then again: at most `tries` times

Rules:

1. A book that is here is not requested again, so the same command continues
   where it was stopped.
2. One request at a time, and at most one every two seconds: the wait in the
   example on Project Gutenberg's own page about robots (`wget -w 2`). A
   server that asks for more time (Retry-After) gets it.
3. A book that fails does not stop the others; the report names it. A folder
   that cannot be written stops all, and after a server that cannot be reached
   the rest is not tried.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from minimr.datasets.gutenberg_ids import BOOKS
from minimr.datasets.http_download import (
    FetchError,
    PermanentError,
    TransientError,
    UnreachableError,
    fetch,
)
from minimr.datasets.partial_file import FolderError, folder_errors

TEXT_PATH = "/cache/epub/{id}/pg{id}.txt"  # UTF-8, for every book
MIRROR = f"https://www.gutenberg.org{TEXT_PATH}"


@dataclass(frozen=True)
class Settings:
    """How to download; tests replace the last three."""

    mirror: str = MIRROR  # with {id} where the number of the book goes
    interval_s: float = 2.0  # between the starts of two requests
    tries: int = 5  # requests per book
    timeout_s: float = 30.0  # for connecting, and without a byte
    backoff_s: float = 1.0  # before the second try; doubles every time
    max_wait_s: float = 300.0  # a server that asks for more fails
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True)
class Report:
    """What became of the books. Each is in one list."""

    downloaded: list[int] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)  # from a partial file
    skipped: list[int] = field(default_factory=list)  # here before
    failed: list[tuple[int, str]] = field(default_factory=list)  # and why


State = Literal["skipped", "loading", "waiting", "done", "failed"]


class Progress(NamedTuple):
    """What happened just now, to one book."""

    book_id: int
    number: int  # the place of this book, from 1
    of: int  # the number of books
    state: State
    bytes_done: int = 0
    bytes_total: int | None = None  # None: the server has not said
    note: str = ""  # why it waits or failed


OnProgress = Callable[[Progress], None]


def download(
    folder: Path,
    book_ids: Iterable[int] = tuple(BOOKS),
    settings: Settings = Settings(),
    on_progress: OnProgress = lambda progress: None,
) -> Report:
    """Download books as `pg<ID>.txt` into a folder, created if missing.

    Runs in: driver.
    Blocks: until every book is here or has failed. Ctrl-C ends it at any
        moment; the same call then continues.

    Raises:
        FolderError: the folder cannot be written, the disk is full, or
            another download is writing into it.
        ValueError: the mirror is not the URL of a web server.
    """
    run = _Run(folder, url_template(settings.mirror), settings, on_progress)
    books = list(dict.fromkeys(book_ids))
    with _reserved(folder):
        for number, book_id in enumerate(books, 1):
            run.book(Progress(book_id, number, len(books), "loading"))
    return run.report


def url_template(mirror: str) -> str:
    """Return the URL of a mirror with `{id}` in it.

    Raises:
        ValueError: it is not the URL of a web server.
    """
    parts = urlsplit(mirror)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.port == 0  # reading it raises for what is no port
        or not mirror.isascii()
        or not mirror.isprintable()
        or " " in mirror
    ):
        raise ValueError(f"{mirror!r} is not like https://host/path")
    return mirror if "{id}" in mirror else mirror.rstrip("/") + TEXT_PATH


class Pacer:
    """Spaces the requests, and waits as long as the server asks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next_request = 0.0  # by settings.clock
        self._held_until = 0.0

    def wait(self) -> None:
        """Block until the next request may start.

        Raises:
            PermanentError: that is more than `max_wait_s` away.
        """
        now = self._settings.clock()
        hold_s = self._held_until - now
        if hold_s > self._settings.max_wait_s:
            raise PermanentError(f"the server asks to wait {hold_s:.0f} s")
        wait_s = max(hold_s, self._next_request - now)
        if wait_s > 0:
            self._settings.sleep(wait_s)
        self._next_request = self._settings.clock() + self._settings.interval_s

    def hold(self, seconds: float) -> None:
        """Start no request, for any book, for this many seconds."""
        until = self._settings.clock() + seconds
        self._held_until = max(self._held_until, until)


class _Run:
    """One download of all books, and what is known from earlier books."""

    def __init__(
        self,
        folder: Path,
        template: str,
        settings: Settings,
        on_progress: OnProgress,
    ) -> None:
        self.report = Report()
        self._folder = folder
        self._template = template
        self._settings = settings
        self._on_progress = on_progress
        self._pacer = Pacer(settings)
        self._unreachable: FetchError | None = None  # the server, and why

    def book(self, now: Progress) -> None:
        """Download one book, or note why that failed."""
        path = self._folder / f"pg{now.book_id}.txt"
        state: State = "done"
        try:
            if path.is_file():
                ids, state = self.report.skipped, "skipped"
            elif self._fetch(path, now):
                ids = self.report.resumed
            else:
                ids = self.report.downloaded
        except FetchError as error:
            if isinstance(error, UnreachableError):
                self._unreachable = error
            self.report.failed.append((now.book_id, str(error)))
            self._on_progress(now._replace(state="failed", note=str(error)))
            return
        ids.append(now.book_id)
        size = path.stat().st_size
        self._on_progress(
            now._replace(state=state, bytes_done=size, bytes_total=size)
        )

    def _fetch(self, path: Path, now: Progress) -> bool:
        """Fetch a book; return whether a partial file was continued."""

        def on_bytes(done: int, total: int | None) -> None:
            self._on_progress(now._replace(bytes_done=done, bytes_total=total))

        if self._unreachable:
            raise PermanentError(f"not tried: {self._unreachable}")
        url = self._template.replace("{id}", str(now.book_id))
        tries, attempt = self._settings.tries, 1
        while True:
            self._pacer.wait()
            try:
                return fetch(url, path, self._settings.timeout_s, on_bytes)
            except TransientError as error:
                self._pacer.hold(error.retry_after_s)
                if attempt == tries:
                    raise
                delay_s = _delay_s(attempt, self._settings)
                self._pacer.hold(delay_s)
                attempt += 1
                delay_s = max(delay_s, error.retry_after_s)
                note = f"try {attempt} of {tries} in {delay_s:.1f} s: {error}"
                self._on_progress(now._replace(state="waiting", note=note))


def _delay_s(attempt: int, settings: Settings) -> float:
    """Return the wait before the next try: it doubles, and half is random.

    Randomness separates clients that failed at the same moment.
    """
    longest = settings.backoff_s * 2.0 ** (attempt - 1)
    return min(longest, settings.max_wait_s) * (1 + settings.jitter()) / 2


@contextmanager
def _reserved(folder: Path) -> Iterator[None]:
    """Create the folder, and keep a second download out of it.

    Two would append to the same partial files.
    """
    with folder_errors(folder):
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(
                f"another download is writing into {folder}"
            ) from None
        except OSError:
            pass  # a network file system that cannot lock a folder
        yield
    finally:
        os.close(descriptor)
