"""Bad input gets one clear line and exit code 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.running import Minimr

# {what is wrong: (arguments, what the one line says)}
BAD = {
    "no such file": (["nowhere.txt"], "no such file or folder: nowhere.txt"),
    "a folder without text": (["folder"], "no text file in the folder"),
    "no workers": (["--workers", "0", "book.txt"], "--workers"),
    "negative map tasks": (["--map-tasks", "-1", "book.txt"], "--map-tasks"),
    "no reduce tasks": (["--reduce-tasks", "0", "book.txt"], "--reduce"),
    "not a number": (["--workers", "two", "book.txt"], "--workers"),
    "an unknown engine": (["--engine", "spark", "book.txt"], "'spark'"),
    "an unknown job": (["--job", "sort", "book.txt"], "'sort'"),
    "not an address": (["--address", "nonsense", "book.txt"], "HOST:PORT"),
    "nobody answers": (
        ["--engine", "ray", "--address", "127.0.0.1:1", "book.txt"],
        "nobody answers at 127.0.0.1:1",
    ),
    "nobody answers our own engine": (
        ["--engine", "minimr-tasks", "--address", "127.0.0.1:1", "book.txt"],
        "127.0.0.1:1",
    ),
    "an address for the wrong engine": (
        ["--engine", "serial", "--address", "127.0.0.1:1", "book.txt"],
        "leave it out",
    ),
    "an output that cannot be written": (
        ["--output", "nowhere/counts.tsv", "book.txt"],
        "cannot use nowhere/counts.tsv",
    ),
    "an output that is a folder": (
        ["--output", "folder", "book.txt"],
        "cannot use folder",
    ),
    "no expected counts": (
        ["--expect", "nowhere.tsv", "book.txt"],
        "cannot read nowhere.tsv",
    ),
    "expected counts of another form": (
        ["--expect", "book.txt", "book.txt"],
        "book.txt, line 1, is not word<TAB>count",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_exit_code_2(
    case: str, minimr: Minimr, book: Path
) -> None:
    (book.parent / "folder").mkdir()
    arguments, says = BAD[case]
    ended = minimr("wordcount", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = [
        line
        for line in ended.stderr.splitlines()
        if not line.startswith("1 file, ")  # what it was about to do
    ]
    assert len(lines) == 1, ended.stderr
    assert says in lines[0]


def test_a_port_in_use_is_bad_input(minimr: Minimr, book: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = minimr(
            "wordcount", "--engine", "minimr", "--listen", where, book
        )
    assert ended.returncode == 2
    assert f"cannot listen at {where}: the port is in use" in ended.stderr


def test_a_worker_says_that_nobody_answers(minimr: Minimr) -> None:
    ended = minimr("worker", "--address", "127.0.0.1:1")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "nobody answers at 127.0.0.1:1" in ended.stderr


def test_a_token_that_others_can_read_is_refused(
    minimr: Minimr, book: Path
) -> None:
    token = book.parent / "token"
    token.write_text("00" * 32)
    token.chmod(0o644)
    ended = minimr("wordcount", "--engine", "minimr", book)
    assert ended.returncode == 2
    assert "chmod 600" in ended.stderr


def test_an_unknown_command_is_bad_input(minimr: Minimr) -> None:
    ended = minimr("launch")
    assert ended.returncode == 2
    assert ended.stderr == "minimr: No such command 'launch'.\n"


def test_a_node_says_in_one_line_why_it_cannot_start(minimr: Minimr) -> None:
    nobody = minimr("start", "--address", "127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        in_use = minimr("start", "--head", "--port", port)
    assert (nobody.returncode, in_use.returncode) == (2, 2)
    assert nobody.stderr.startswith("minimr: nobody answers at 127.0.0.1:1")
    assert in_use.stderr.startswith(
        f"minimr: cannot listen at 127.0.0.1:{port}"
    )
    assert len((nobody.stderr + in_use.stderr).splitlines()) == 2
