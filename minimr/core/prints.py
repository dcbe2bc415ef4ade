"""What tasks print, on its way to the driver's terminal.

    worker: Stream ── pipe ─> node: Lines ─── Print ───> driver: show()
            "\\xfff\\xfehello\\n"     ("f", "hello")      (f pid=7, ...) hello

Rules:

1. A worker marks in its output which task or actor the text is of, whenever
   that changes: the node may read it when another task runs.
2. A mark cannot be mistaken for text: UTF-8 has no such bytes.
3. A line is cut where its speaker changes, where it is redrawn (a progress
   bar), and where it is longer than `MAX_LINE`; nowhere else.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minimr.system import machine

MARK, MARK_END = b"\xff", b"\xfe"
MAX_NAME = 200  # characters of a speaker's name
MAX_LINE = 1 << 20  # characters; a longer one is shown in pieces


class Printed(NamedTuple):
    """Lines of one worker."""

    name: str  # of the task, or of the actor
    pid: int
    node: str
    error: bool  # on standard error
    lines: Sequence[str]


# ---- the worker ----


def nobody() -> str | None:
    """Return the speaker, for a `speaker`: None: the same as before."""
    return None


speaker: Callable[[], str | None] = nobody
unflushed: set[Stream] = set()


class Stream(io.TextIOWrapper):
    """Standard output, or error, of a worker."""

    def __init__(self, descriptor: int) -> None:
        errors = "backslashreplace" if descriptor == 2 else "strict"
        file = machine.output(descriptor)
        super().__init__(file, "utf-8", errors, line_buffering=True)
        self._name: str | None = None

    def write(self, text: str) -> int:
        """Write a text, after a mark if the speaker is new."""
        name = speaker()
        if name is not None and name != self._name:
            self._name = name
            self.flush()
            about = " ".join(name.split())[:MAX_NAME]
            mark = about.encode("utf-8", "backslashreplace")
            self.buffer.write(MARK + mark + MARK_END)
        written = super().write(text)
        if "\n" in text or "\r" in text:  # then all of it was flushed
            unflushed.discard(self)
        else:
            unflushed.add(self)
        return written


def flush() -> None:
    """Flush lines that are not complete."""
    while unflushed:
        unflushed.pop().flush()


# ---- the node ----


class Lines:
    """Turns the bytes of one stream into lines, each with its speaker."""

    def __init__(self) -> None:
        self.name = ""  # of the speaker; "": not known
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""  # a mark that is not complete
        self._begun: list[str] = []  # a line that is not complete
        self._size = 0  # of that line
        self._continued = False  # its beginning was returned before
        self.redrawn = False  # it is a progress bar

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Return the lines that are complete now: (speaker, text)."""
        lines: list[tuple[str, str]] = []
        first, *marked = (self._held + data).split(MARK)
        self._held = b""
        self._text(self._decoder.decode(first), lines)
        for number, part in enumerate(marked, 1):
            name, found, text = part.partition(MARK_END)
            if found:
                lines += self.rest()
                self.name = name.decode(errors="replace")
            elif number == len(marked) and _may_go_on(part):
                self._held = MARK + part
            else:
                text = MARK + part
            self._text(self._decoder.decode(text), lines)
        return lines

    def rest(self, final: bool = False) -> list[tuple[str, str]]:
        """Return the beginning of a line that is not complete."""
        lines: list[tuple[str, str]] = []
        if final:
            self._text(self._decoder.decode(self._held, True), lines)
            self._held = b""
        if self._begun:
            self._end(lines)
            self._continued = True
        return lines

    def begun(self) -> bool:
        """Return whether there is a line that is not complete."""
        return bool(self._begun)

    def _text(self, text: str, lines: list[tuple[str, str]]) -> None:
        *whole, rest = text.split("\n")
        for part in whole:
            self._begun.append(part)
            self._end(lines)
        if rest:
            self._begun.append(rest)
            self._size += len(rest)
            self.redrawn = self.redrawn or "\r" in rest
            if self._size > MAX_LINE:
                lines += self.rest()

    def _end(self, lines: list[tuple[str, str]]) -> None:
        line, continued = "".join(self._begun), self._continued
        self._begun, self._size = [], 0
        self._continued = self.redrawn = False
        if "\r" in line:  # keep what a terminal would show in the end
            line = line.rstrip("\r").rpartition("\r")[2]
            continued = True
        if line or not continued:
            lines.append((self.name, line))


def _may_go_on(name: bytes) -> bool:
    """Return whether this may be the beginning of a speaker's name."""
    return len(name) <= 4 * MAX_NAME and b"\n" not in name


# ---- the driver ----


def show(printed: Printed) -> None:
    """Print the lines of a worker."""
    name = printed.name and printed.name + " "  # none: it runs nothing yet
    head = f"({name}pid={printed.pid}, node={printed.node[:8]})"
    say("".join(f"{head} {line}\n" for line in printed.lines), printed.error)


def say(text: str, error: bool = True) -> None:
    """Write to standard error, or output. It never raises.

    It runs in the middle of other work, which must not fail because of it.
    """
    stream: Any = sys.stderr if error else sys.stdout
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            code = stream.encoding
            stream.write(text.encode(code, "backslashreplace").decode(code))
        stream.flush()
    except (OSError, ValueError, AttributeError):
        """It is closed, or there is none."""
