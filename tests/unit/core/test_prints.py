"""Lines out of the bytes that a worker prints. No process."""

from __future__ import annotations

import io
import os
import sys

import pytest

from minimr.core import prints
from minimr.core.prints import MARK, MARK_END, MAX_LINE, Lines, Stream


def mark(name: str) -> bytes:
    return MARK + name.encode() + MARK_END


def said(data: bytes, size: int) -> list[tuple[str, str]]:
    """Feed so many bytes at a time, and take the rest."""
    lines, found = Lines(), []
    for begin in range(0, len(data), size):
        found += lines.feed(data[begin : begin + size])
    return found + lines.rest(final=True)


EVERY_SIZE = pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])


@EVERY_SIZE
def test_each_line_has_its_speaker_wherever_the_bytes_are_cut(size: int):
    data = mark("f") + b"one\ntwo\n" + mark("g") + b"three\n"
    assert said(data, size) == [("f", "one"), ("f", "two"), ("g", "three")]


@EVERY_SIZE
def test_a_line_of_another_script_is_whole_wherever_it_is_cut(size: int):
    text = "文字 naïve 🎉" * 20
    assert said(text.encode() + b"\n", size) == [("", text)]


@EVERY_SIZE
def test_a_line_ends_where_its_speaker_changes(size: int):
    data = mark("f") + b"no newline" + mark("g") + b"next\n"
    assert said(data, size) == [("f", "no newline"), ("g", "next")]


def test_what_is_no_utf_8_is_replaced_and_not_lost():
    assert said(b"a\xffb\xc3\n", 1000) == [("", "a\ufffdb\ufffd")]
    assert said(b"\xff" + b"x" * 5000 + b"\n", 64)[0][1].endswith("x" * 4000)


def test_a_part_that_was_given_is_not_given_again():
    lines = Lines()
    assert lines.feed(b"to be ") == []
    assert lines.rest() == [("", "to be ")]
    assert lines.rest() == []
    assert lines.feed(b"continued\nnext\n") == [
        ("", "continued"),
        ("", "next"),
    ]
    lines.feed(b"a bar")
    lines.rest()
    assert lines.feed(b"\n\n") == [("", "")]  # the end of it; an empty line


def test_of_a_line_that_is_drawn_anew_the_last_state_counts():
    lines = Lines()
    assert lines.feed(b"\r1/3\r2/3") == []
    assert lines.redrawn
    assert lines.rest() == [("", "2/3")]
    assert lines.feed(b"\r3/3\n") == [("", "3/3")]
    assert lines.feed(b"from Windows\r\n") == [("", "from Windows")]


def test_a_line_that_never_ends_is_given_in_pieces():
    lines, found = Lines(), []
    for _ in range(80):
        found += lines.feed(b"x" * 65536)
    found += lines.rest()
    assert sum(len(text) for _, text in found) == 80 * 65536
    assert max(len(text) for _, text in found) <= MAX_LINE + 65536


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch):
    """Give a worker's stream, and a function that reads what came out."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    stream = Stream(write)
    lines = Lines()

    def come() -> list[tuple[str, str]]:
        try:
            return lines.feed(os.read(read, 65536)) + lines.rest()
        except BlockingIOError:
            return []

    yield stream, come
    prints.unflushed.clear()
    stream.close()
    os.close(read)
    os.close(write)


def test_a_stream_says_who_speaks_when_that_changes(stream, monkeypatch):
    out, come = stream
    name = ""
    monkeypatch.setattr(prints, "speaker", lambda: name)
    for name in ("f", "f", "g"):  # noqa: B007  # the speaker reads it
        print("hello", file=out)
    assert come() == [("f", "hello"), ("f", "hello"), ("g", "hello")]


def test_a_text_without_an_end_goes_out_with_flush(stream):
    out, come = stream
    print("no newline", end="", file=out)
    assert come() == []
    prints.flush()
    assert come() == [("", "no newline")]
    assert not prints.unflushed


def test_a_stream_takes_any_text_in_any_locale(stream):
    out, come = stream
    out.write("文 🎉\n")
    assert come() == [("", "文 🎉")]


@pytest.mark.parametrize(
    ("name", "head"), [("f", "(f pid=7, node=ab)"), ("", "(pid=7, node=ab)")]
)
def test_a_line_says_who_has_printed_it(
    name: str, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prints.show(prints.Printed(name, 7, "ab", False, ["hello"]))
    assert capsys.readouterr().out == f"{head} hello\n"


@pytest.mark.parametrize("text", ["naïve\n", "文字\n"])
def test_what_a_terminal_cannot_show_is_escaped(monkeypatch, text):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, "ascii"))
    prints.say(text, error=False)
    assert shown.getvalue().startswith((b"na\\xefve", b"\\u6587"))


def test_nobody_fails_because_standard_output_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    sys.stdout.close()
    prints.say("words\n", error=False)
    monkeypatch.setattr(sys, "stdout", None)
    prints.say("words\n", error=False)
