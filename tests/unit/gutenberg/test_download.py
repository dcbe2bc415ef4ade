"""The download of the books, against a real server that misbehaves."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from minimr.datasets.gutenberg import (
    MIRROR,
    Report,
    Settings,
    download,
    url_template,
)
from minimr.datasets.gutenberg_ids import BOOKS
from tests.unit.gutenberg.book_server import (
    BOOK,
    chunked,
    cut_after,
    hang_up,
    reset_after,
    send_as,
    silence,
    stall_after,
    status,
    without_length,
    wrong_range,
)

MAY_PASS = {
    **{str(code): status(code) for code in (408, 429, 500, 502, 503, 504)},
    "an empty book": status(200),
    "an empty answer": status(204),
    "hangs up": hang_up,
    "never answers": silence,
    "cut before the first byte": cut_after(0),
    "cut in a chunk": chunked(end=b"5\r\nmor"),
    "cut between chunks": chunked(end=b""),
    "a range nobody asked for": wrong_range,
}
CANNOT_PASS = {
    "403 Forbidden": status(403),
    "404 Not Found": status(404),
    "a page": send_as(Content_Type="text/html; charset=utf-8"),
    "gzip": send_as(Content_Encoding="gzip"),
    "without a length": without_length,
}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- what should happen


def test_there_are_98_books_and_each_has_a_title():
    assert len(BOOKS) == 98
    assert all(BOOKS.values())


def test_a_book_arrives_byte_for_byte_and_nothing_else_is_left(
    tmp_path, server, settings
):
    report = download(tmp_path / "new" / "folder", [11, 11], settings)
    assert report == Report(downloaded=[11])
    assert names(tmp_path / "new" / "folder") == ["pg11.txt"]
    got = (tmp_path / "new" / "folder" / "pg11.txt").read_bytes()
    assert got == BOOK
    assert len(server.requests) == 1


def test_a_book_that_is_here_is_not_asked_for_again(
    tmp_path, server, settings
):
    (tmp_path / "pg11.txt").write_bytes(b"mine")
    seen = []
    report = download(tmp_path, [11], settings, seen.append)
    assert report == Report(skipped=[11])
    assert [now.state for now in seen] == ["skipped"]
    assert (tmp_path / "pg11.txt").read_bytes() == b"mine"
    assert server.requests == []


def test_progress_tells_which_book_and_how_far(tmp_path, server, settings):
    server.books[12] = b"short"
    seen = []
    download(tmp_path, [11, 12, 13], settings, seen.append)
    assert [
        (p.book_id, p.number, p.of) for p in seen if p.state == "done"
    ] == [
        (11, 1, 3),
        (12, 2, 3),
    ]
    assert seen[-1].state == "failed"
    sizes = [p.bytes_done for p in seen if p[:4] == (11, 1, 3, "loading")]
    assert sizes == sorted(set(sizes))
    assert len(sizes) > 1
    assert sizes[-1] == len(BOOK)
    assert {p.bytes_total for p in seen if p.book_id == 11} == {len(BOOK)}


def test_requests_keep_their_distance_whatever_they_ask_for(
    tmp_path, server, settings, clock
):
    server.books[12] = BOOK
    server.script += [status(503)]
    settings = replace(settings, interval_s=7)
    download(tmp_path, [11, 12], settings)
    assert len(server.requests) == 3
    assert clock.sleeps == [7, 7]


def test_a_mirror_is_a_template_or_where_a_copy_of_the_site_begins():
    whole = "http://localhost:8000/books/{id}.txt?x={y}"
    assert url_template(whole) == whole
    assert url_template("https://www.gutenberg.org/") == MIRROR


@pytest.mark.parametrize(
    "mirror",
    [
        "",
        "ftp://a/{id}",
        "file:///{id}",
        "http://",
        "http://a:b/",
        "http://a b",
        "http://ä",
        "http://a\n",
    ],
)
def test_a_mirror_that_is_no_web_address_is_refused(tmp_path, mirror):
    with pytest.raises(ValueError, match=r"http|Port"):
        download(tmp_path, [11], Settings(mirror=mirror))


# --- trying again


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("breaking", [cut_after, reset_after, stall_after])
def test_a_broken_transfer_goes_on_from_the_bytes_that_came(
    tmp_path, server, settings, breaking
):
    server.script += [breaking(60_000)]
    if breaking is stall_after:
        settings = replace(settings, timeout_s=1)
    report = download(tmp_path, [11], settings)
    assert len(server.requests) == 2
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK
    if breaking is not reset_after:  # a reset may drop what was on its way
        assert report.resumed == [11]
        assert server.ranges == [None, "bytes=60000-"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", MAY_PASS)
def test_what_may_pass_is_tried_again(tmp_path, server, settings, trouble):
    server.script += [MAY_PASS[trouble]] * 2
    if MAY_PASS[trouble] is silence:
        settings = replace(settings, timeout_s=0.1)
    report = download(tmp_path, [11], settings)
    assert report.downloaded == [11]
    assert len(server.requests) == 3
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (silence, "no bytes for 0.1 s"),
        (stall_after(5), "no bytes for 0.1 s"),
        (hang_up, "the connection broke: Remote end closed"),
        (cut_after(0), "cut off at 0 of|IncompleteRead"),
    ],
)
def test_the_last_reason_is_told(
    tmp_path, server, settings, behaviour, reason
):
    server.script += [behaviour]
    short = 0.1 if "no bytes" in reason else settings.timeout_s
    settings = replace(settings, tries=1, timeout_s=short)
    [(book_id, told)] = download(tmp_path, [11], settings).failed
    assert book_id == 11
    assert re.match(reason, told)


def test_chunks_need_no_length(tmp_path, server, settings):
    server.script += [chunked(end=b"0\r\n\r\n")]
    assert download(tmp_path, [11], settings).downloaded == [11]
    assert len(server.requests) == 1
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


def test_waits_double_and_tries_are_bounded(tmp_path, server, settings, clock):
    server.script += [status(500)] * 10
    settings = replace(settings, tries=6, max_wait_s=10)
    report = download(tmp_path, [11], settings)
    assert report.failed == [
        (11, "the server answered 500 Internal Server Error")
    ]
    assert len(server.requests) == 6
    assert clock.sleeps == [1, 2, 4, 8, 10]


def test_chance_takes_up_to_half_of_a_wait(tmp_path, server, settings, clock):
    server.script += [status(500)] * 2
    chance = iter([0.0, 0.5])
    download(tmp_path, [11], replace(settings, jitter=lambda: next(chance)))
    assert clock.sleeps == [0.5, 1.5]


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_asks_for_time_gets_it(
    tmp_path, server, settings, clock, code
):
    server.script += [status(code, Retry_After=90)]
    notes = []
    report = download(tmp_path, [11], settings, notes.append)
    assert report.downloaded == [11]
    assert clock.sleeps == [90]
    assert notes[0].state == "waiting"
    assert "try 2 of 5 in 90.0 s" in notes[0].note
    assert str(code) in notes[0].note


def test_the_time_may_be_asked_for_as_a_date(
    tmp_path, server, settings, clock
):
    def busy(handler, body):
        then = datetime.now(timezone.utc) + timedelta(seconds=60)
        date = format_datetime(then, usegmt=True)
        handler.answer(503, Content_Length=0, Retry_After=date)

    server.script += [busy]
    download(tmp_path, [11], settings)
    assert len(clock.sleeps) == 1
    assert 55 <= clock.sleeps[0] <= 61


@pytest.mark.parametrize("asked", ["soon", "-5", "9" * 5000, "1e9"])
def test_a_time_that_cannot_be_read_is_ignored(
    tmp_path, server, settings, clock, asked
):
    server.script += [status(503, Retry_After=asked)]
    assert download(tmp_path, [11], settings).downloaded == [11]
    assert clock.sleeps == [1]


def test_the_last_refusal_holds_for_the_next_book_too(
    tmp_path, server, settings, clock
):
    server.books[12] = BOOK
    server.script += [status(503, Retry_After=90)]
    report = download(tmp_path, [11, 12], replace(settings, tries=1))
    assert report.downloaded == [12]
    assert clock.sleeps == [90]


def test_who_asks_for_too_much_time_is_left_alone(
    tmp_path, server, settings, clock
):
    server.script += [status(429, Retry_After=3600)]
    report = download(tmp_path, [11, 12], settings)
    assert report.failed == [
        (11, "the server asks to wait 3600 s"),
        (12, "the server asks to wait 3600 s"),
    ]
    assert len(server.requests) == 1
    assert clock.sleeps == []


# --- giving up


@pytest.mark.parametrize("trouble", CANNOT_PASS)
def test_what_cannot_pass_is_not_tried_again_and_stops_no_other_book(
    tmp_path, server, settings, trouble
):
    server.books[12] = BOOK
    server.script += [CANNOT_PASS[trouble]]
    report = download(tmp_path, [11, 12], settings)
    [(book_id, told)] = report.failed
    assert book_id == 11
    assert trouble in told
    assert report.downloaded == [12]
    assert len(server.requests) == 2
    assert names(tmp_path) == ["pg12.txt"]


def test_a_server_that_nobody_can_reach_ends_the_run(
    tmp_path, settings, clock
):
    (tmp_path / "pg13.txt").write_bytes(b"here")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings = replace(settings, mirror=f"http://127.0.0.1:{port}")
    report = download(tmp_path, [11, 12, 13], settings)
    reason = f"no connection to 127.0.0.1:{port}: Connection refused"
    assert report.failed == [(11, reason), (12, f"not tried: {reason}")]
    assert report.skipped == [13]
    assert len(clock.sleeps) == settings.tries - 1
