"""A download that goes on where it stopped, and never joins two books."""

from __future__ import annotations

import pytest

from minimr.datasets.gutenberg import download
from minimr.shared.mapreduce.corpus import find_files
from tests.unit.gutenberg.book_server import (
    BOOK,
    behave,
    chunked,
    ignore_range,
    longer_range,
    send_as,
    status,
    wrong_range,
)

OTHER = BOOK.replace(b"Zeile", b"Ligne")  # of the same length


def interrupt_after(size):
    """Press Ctrl-C when so many bytes have come."""

    def on_progress(now):
        if now.state == "loading" and now.bytes_done >= size:
            raise KeyboardInterrupt

    return on_progress


def leave_a_part(tmp_path, settings, size=50_000):
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, [11], settings, interrupt_after(size))
    part = (tmp_path / ".pg11.txt.part").read_bytes()
    assert len(part) >= size
    assert BOOK.startswith(part)
    return len(part)


def test_ctrl_c_keeps_the_part_and_the_next_run_fetches_only_the_rest(
    tmp_path, server, settings
):
    size = leave_a_part(tmp_path, settings)
    report = download(tmp_path, [11], settings)
    assert report.resumed == [11]
    assert server.ranges == [None, f"bytes={size}-"]
    assert server.requests[1][1]["If-Range"] == '"first"'
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK
    assert [path.name for path in tmp_path.iterdir()] == ["pg11.txt"]


def test_the_words_of_half_a_book_are_not_counted(tmp_path, settings):
    leave_a_part(tmp_path, settings)
    (tmp_path / "pg12.txt").write_bytes(b"a whole book")
    assert find_files([str(tmp_path)]) == [str(tmp_path / "pg12.txt")]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_the_length_decides(
    tmp_path, server, settings, etag
):
    server.etag = etag
    size = leave_a_part(tmp_path, settings)
    server.books[11] = OTHER[:-1]
    report = download(tmp_path, [11], settings)
    assert server.ranges == [None, f"bytes={size}-", None]
    assert server.requests[1][1]["If-Range"] is None
    assert report.downloaded == [11]
    assert (tmp_path / "pg11.txt").read_bytes() == server.books[11]


def test_a_date_stands_in_for_a_missing_etag(tmp_path, server, settings):
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    server.etag = ""
    server.script += [send_as(Last_Modified=date)]
    leave_a_part(tmp_path, settings)
    server.etag = date
    download(tmp_path, [11], settings)
    assert server.requests[1][1]["If-Range"] == date


def test_a_changed_book_starts_over_even_at_the_same_length(
    tmp_path, server, settings
):
    leave_a_part(tmp_path, settings)
    server.books[11], server.etag = OTHER, '"second"'
    report = download(tmp_path, [11], settings)
    assert report.downloaded == [11]
    assert (tmp_path / "pg11.txt").read_bytes() == OTHER


def test_a_rest_of_another_version_is_not_joined(tmp_path, server, settings):
    leave_a_part(tmp_path, settings)

    def blind_to_if_range(handler, body):
        del handler.headers["If-Range"]
        behave(handler, body)

    server.books[11], server.etag = OTHER, '"second"'
    server.script += [blind_to_if_range]
    report = download(tmp_path, [11], settings)
    assert report.downloaded == [11]
    assert len(server.requests) == 3
    assert (tmp_path / "pg11.txt").read_bytes() == OTHER


@pytest.mark.parametrize(
    "behaviour", [ignore_range, wrong_range, longer_range, status(416)]
)
def test_a_server_without_true_ranges_costs_a_restart_but_no_byte(
    tmp_path, server, settings, behaviour
):
    leave_a_part(tmp_path, settings)
    server.script += [behaviour]
    report = download(tmp_path, [11], settings)
    assert report.downloaded == [11]
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


def test_bytes_that_came_without_a_length_are_not_gone_on_from(
    tmp_path, server, settings
):
    size = leave_a_part(tmp_path, settings)
    server.books[11] = OTHER
    server.script += [chunked(end=b"")]
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, [11], settings, interrupt_after(len(OTHER)))
    server.books[11] = BOOK
    download(tmp_path, [11], settings)
    assert server.ranges == [None, f"bytes={size}-", None]
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


@pytest.mark.parametrize("note", [None, "", "1234", "x\n\n"])
def test_a_part_of_unknown_version_counts_for_nothing(
    tmp_path, server, settings, note
):
    (tmp_path / ".pg11.txt.part").write_bytes(b"who knows what")
    if note is not None:
        (tmp_path / ".pg11.txt.part.version").write_text(note)
    download(tmp_path, [11], settings)
    assert server.ranges == [None]
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


def test_a_part_that_is_too_long_counts_for_nothing(
    tmp_path, server, settings
):
    leave_a_part(tmp_path, settings)
    (tmp_path / ".pg11.txt.part").write_bytes(BOOK + b"!")
    download(tmp_path, [11], settings)
    assert server.ranges == [None, None]
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


def test_a_whole_part_only_wants_its_name(tmp_path, server, settings):
    leave_a_part(tmp_path, settings, len(BOOK))
    report = download(tmp_path, [11], settings)
    assert report.resumed == [11]
    assert len(server.requests) == 1
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK
