"""The command `minimr corpus gutenberg`: what it prints, how it exits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

from minimr.cli import corpus as module
from minimr.cli.corpus import corpus
from minimr.datasets.gutenberg import Settings
from minimr.datasets.gutenberg_ids import BOOKS
from tests.unit.gutenberg.book_server import DEADLINE_S, stall_after, status

BOOK = b"It was the best of times, it was the worst of times.\n" * 2_000
RUN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # even under nohup
from minimr.cli.corpus import corpus
corpus()
"""


@pytest.fixture
def server(server):
    server.books = dict.fromkeys((11, 98), BOOK)
    return server


def arguments(server, folder, *more):
    mirror = ["--mirror", server.url, "--interval", "0"]
    return ["gutenberg", "--to", str(folder), *mirror, *more]


def test_every_book_is_one_plain_line_where_there_is_no_terminal(
    tmp_path, server
):
    only = ["--only", "11", "--only", "98"]
    result = CliRunner().invoke(corpus, arguments(server, tmp_path, *only))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "[1/2] pg11.txt 106.0 kB  Alice's Adventures in Wonderland",
        "[2/2] pg98.txt 106.0 kB  A Tale of Two Cities",
        f"{tmp_path}: 2 downloaded, 0 resumed, 0 here before, 0 failed",
    ]
    assert result.stderr == ""
    assert (tmp_path / "pg98.txt").read_bytes() == BOOK


def test_without_only_it_asks_for_all_98_and_names_each_that_failed(
    tmp_path, server
):
    result = CliRunner().invoke(corpus, arguments(server, tmp_path))
    assert result.exit_code == 1
    assert [book_id for book_id, _ in server.requests] == list(BOOKS)
    failures = result.stderr.splitlines()
    assert failures[0] == "pg33.txt: the server answered 404 Not Found"
    assert len(failures) == 96 + 1
    assert "The same command tries them again" in failures[-1]
    assert "2 downloaded" in result.stdout


def test_a_wait_is_told_with_its_reason(tmp_path, server, clock, monkeypatch):
    hasty = partial(Settings, clock=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr(module, "Settings", hasty)
    server.script += [status(503)]
    more = ["--only", "11", "--tries", "2"]
    result = CliRunner().invoke(corpus, arguments(server, tmp_path, *more))
    assert result.exit_code == 0
    assert result.stdout.startswith("[1/1] pg11.txt  try 2 of 2 in ")
    assert "503 Service Unavailable" in result.stdout


def test_a_terminal_gets_a_bar(tmp_path, server):
    result = CliRunner(env={"FORCE_COLOR": "1", "COLUMNS": "79"}).invoke(
        corpus, arguments(server, tmp_path, "--only", "11", "--only", "33")
    )
    assert result.exit_code == 1
    assert "━" in result.stdout
    assert "2/2" in result.stdout
    assert "pg33.txt: the server answered 404" in result.stderr


def test_a_bad_folder_is_one_line_and_exit_code_2(tmp_path, server):
    (tmp_path / "file").write_bytes(b"")
    result = CliRunner().invoke(corpus, arguments(server, tmp_path / "file"))
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: cannot write into {tmp_path / 'file'}: Not a directory\n"
    )


@pytest.mark.parametrize(
    "bad",
    [
        ["--interval", "-1"],
        ["--tries", "0"],
        ["--only", "x"],
        ["--mirror", "ftp://a"],
    ],
)
def test_a_bad_argument_is_exit_code_2(tmp_path, server, bad):
    result = CliRunner().invoke(corpus, arguments(server, tmp_path, *bad))
    assert result.exit_code == 2
    assert bad[0] in result.stderr
    assert server.requests == []


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(tmp_path, server):
    server.script += [stall_after(70_000)]
    command = arguments(server, tmp_path, "--only", "11")
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            assert server.stalled.wait(DEADLINE_S)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert process.returncode == 130
    assert told == "Stopped. Run the same command again to go on.\n"
    result = CliRunner().invoke(corpus, command)
    assert result.exit_code == 0
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK
