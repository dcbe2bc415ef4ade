"""Bad input gets one clear line and exit code 2."""

from __future__ import annotations

import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import DEADLINE_S, Minimr, command, environment

# {what is wrong: (arguments, what the one line says)}
BAD = {
    "no such file": (["nowhere.txt"], "no such file or folder: nowhere.txt"),
    "a folder without text": (["folder"], "no text file in the folder"),
    "no workers": (["--workers", "0", "book.txt"], "--workers"),
    "negative map tasks": (["--map-tasks", "-1", "book.txt"], "--map-tasks"),
    "no reduce tasks": (["--reduce-tasks", "0", "book.txt"], "--reduce"),
    "not a number": (["--workers", "two", "book.txt"], "--workers"),
    "an unknown engine": (["--engine", "spark", "book.txt"], "'spark'"),
    "an engine of earlier days": (
        ["--engine", "minimr-tasks", "book.txt"],
        "minimr-tasks is called minimr now",
    ),
    "an unknown job": (["--job", "sort", "book.txt"], "'sort'"),
    "not an address": (["--address", "nonsense", "book.txt"], "HOST:PORT"),
    "nobody answers": (
        ["--engine", "ray", "--address", "127.0.0.1:1", "book.txt"],
        "nobody answers at 127.0.0.1:1",
    ),
    "nobody answers our own engine": (
        ["--engine", "minimr", "--address", "127.0.0.1:1", "book.txt"],
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
            "wordcount", "--engine", "sockets", "--listen", where, book
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
    ended = minimr("wordcount", "--engine", "sockets", book)
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


# {what is wrong: (arguments, environment, what the one line says)}
ELSEWHERE = {
    "no address of a head": (
        ["status", "--address", "nonsense"], {}, "not HOST:PORT"),
    "none in the environment": (
        ["list", "nodes"], {"MINIMR_ADDRESS": "nonsense"}, "not HOST:PORT"),
    "none of Ray's": (
        ["wordcount", "book.txt", "--engine", "ray"],
        {"RAY_ADDRESS": "nonsense"}, "not HOST:PORT"),
    "none to join": (["start", "--address", "nonsense"], {}, "HOST:PORT"),
    "resources in a list": (
        ["start", "--head", "--resources", "[1]"], {}, "--resources is not"),
    "resources that are words": (
        ["start", "--head", "--resources", '{"a": "b"}'], {},
        "--resources is not"),
    "less than no CPU": (
        ["start", "--head", "--num-cpus", "-1"], {}, "amount of -1"),
    "an endless number of CPUs": (
        ["start", "--head", "--num-cpus", "nan"], {}, "amount of nan"),
    "a folder for a token, rung 1": (
        ["parameter-server", "--engine", "sockets", "--seconds", "0"],
        {"MINIMR_TOKEN_FILE": "."}, "token file"),
    "a folder for a token, rung 2": (
        ["parameter-server", "--engine", "minimr", "--seconds", "0"],
        {"MINIMR_TOKEN_FILE": "."}, "token file"),
}  # fmt: skip


@pytest.mark.parametrize("case", ELSEWHERE)
def test_bad_input_of_any_command_gets_one_line(
    case: str, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, env, says = ELSEWHERE[case]
    ended = subprocess.run(
        command(*arguments),
        env={**environment(book.parent), **env},
        cwd=book.parent,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert says in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("to", ["/dev/full", None], ids=["full", "closed"])
@pytest.mark.parametrize(
    "arguments",
    [["wordcount", "book.txt", "--engine", "serial"], ["compare", "mapreduce"],
     ["--help"]],
    ids=" ".join,
)  # fmt: skip
def test_an_output_that_takes_nothing_gets_no_traceback(
    arguments: list[str], to: str | None, book: Path
) -> None:
    where = ">&-" if to is None else f"> {to}"
    ended = subprocess.run(
        f"{shlex.join(command(*arguments))} {where}",
        shell=True,
        env=environment(book.parent),
        cwd=book.parent,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
    )
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert ended.returncode == (0 if to is None else 2)
