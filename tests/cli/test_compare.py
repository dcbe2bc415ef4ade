"""`minimr compare`: what it prints, in a pipe and on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from minimr.cli.side_by_side import CONTINUED, width
from tests.cli.running import DEADLINE_S, ROOT, Minimr, command, environment

PAIRS = ("mapreduce", "parameter-server")
FUNCTIONS = """
@cache
def f():
    pass


class C:
    def g(self):
        return 1
"""


@pytest.mark.parametrize(
    ("pair", "anchors"),
    [
        ("mapreduce", ["[1] map", "[2] shuffle", "[3] reduce", "def run("]),
        ("parameter-server", ["[1] shard", "[4] push", "[7] death"]),
        ("maze", ["[1] share", "[2] play", "[3] learn"]),
    ],
)
def test_both_files_are_aligned_at_what_they_share(
    minimr: Minimr, pair: str, anchors: list[str]
) -> None:
    ended = minimr("compare", pair)
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    for anchor in anchors:
        assert any(line.count(anchor) == 2 for line in lines), anchor
    assert all(line[80] in "│┼" for line in lines)


@pytest.mark.parametrize("columns", [80, 100, 120, 161])
@pytest.mark.parametrize("options", [[], ["--serial"]], ids=str)
@pytest.mark.parametrize("pair", PAIRS)
def test_it_fits_and_marks_what_goes_on_in_the_next_line(
    minimr: Minimr, pair: str, options: list[str], columns: int
) -> None:
    ended = minimr("compare", pair, "--columns", columns, *options)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert max(map(width, lines)) <= columns
    assert (CONTINUED in ended.stdout) == (columns < 161 or bool(options))


def test_in_a_pipe_no_line_is_wrapped_and_none_is_coloured(
    minimr: Minimr,
) -> None:
    told = minimr("compare", "mapreduce").stdout
    assert "\x1b" not in told
    right = [line[82:] for line in told.splitlines()[2:]]
    source = (ROOT / "ray_impl/mapreduce.py").read_text("utf-8")
    assert [line for line in right if line] == [
        line for line in source.splitlines() if line
    ]


def test_a_step_alone_is_what_the_driver_and_the_workers_do_in_it(
    minimr: Minimr,
) -> None:
    told = minimr("compare", "mapreduce", "--step", 2).stdout
    for part in ("def _next_task(", "def _fetch_blocks(", "def _all_tasks("):
        assert part in told
    for other in ("[1]", "[3]", "def run(", "import"):
        assert other not in told


def test_the_for_loop_is_the_third_beside_them(minimr: Minimr) -> None:
    told = minimr("compare", "mapreduce", "--serial", "--step", 1).stdout
    titles = told.splitlines()[0].replace("│", " ").split()
    folders = ["minimr/serial", "minimr/sockets", "ray_impl"]
    assert titles == [f"{folder}/mapreduce.py" for folder in folders]
    assert any(line.count("# [1] map") == 3 for line in told.splitlines())


def test_any_files_can_be_compared(minimr: Minimr, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n\n\ndef f():\n    return 1\n")
    (tmp_path / "b.py").write_text("def f():\n\treturn 'äöü'\n")
    (tmp_path / "c.txt").write_text("no Python (\n")
    told = minimr("compare", "a.py", "b.py", "c.txt", "--columns", 80).stdout
    assert [line.split() for line in told.splitlines()] == [
        ["a.py", "│", "b.py", "│", "c.txt"],
        ["".join(["─" * 24, "─┼─", "─" * 24, "─┼─", "─" * 24])],
        ["x", "=", "1", "│", "│", "no", "Python", "("],
        ["│", "│"],
        ["│", "│"],
        ["def", "f():", "│", "def", "f():", "│"],
        ["return", "1", "│", "return", "'äöü'", "│"],
    ]


def test_functions_of_files_can_be_compared(
    minimr: Minimr, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text(FUNCTIONS)
    told = minimr("compare", "a.py:f", "a.py:C.g", "--columns", 80).stdout
    head, _, *rows = told.splitlines()
    assert head.split() == ["a.py:f", "│", "a.py:C.g"]
    assert [row.split() for row in rows] == [
        ["@cache", "│", "def", "g(self):"],
        ["def", "f():", "│", "return", "1"],
        ["pass", "│"],
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "choose one of mapreduce, parameter-server, maze"),
        (["a.py", "a.py:f"], "there is no f in a.py: there is none"),
        (["maze", "--serial"], "maze has the for loop: no --serial"),
        (["a.py", "nothing"], "cannot use nothing: No such file"),
        (["a.py", "."], "cannot use .: Is a directory"),
        (["a.py", "image"], "image is not text in UTF-8"),
        (["a.py", "a.py", "--serial"], "--serial goes with a pair"),
        (["a.py", "a.py", "--step", "1"], "no step [1]: there is none"),
        (["mapreduce", "--step", "9"], "no step [9]: there is [1], [2], [3]"),
        (["mapreduce", "--columns", "30"], "30 columns are too few for 2"),
        ([], "Missing argument"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_said_in_a_line(
    minimr: Minimr, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "image").write_bytes(b"\x89PNG\xff")
    ended = minimr("compare", *arguments)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert says in line


def on_a_terminal(
    folder: Path, columns: int, *arguments: str, **env: str
) -> str:
    """Run the command on a terminal; give what its pager was given."""
    pager = folder / "less"  # by its name, click knows that it shows colours
    pager.write_text('#!/bin/sh\ncat > "$PAGED"\n')
    pager.chmod(0o700)
    ours, its = pty.openpty()
    fcntl.ioctl(
        its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0)
    )
    without = {"PAGER", "LESS", "NO_COLOR", "COLUMNS", "COLORTERM"}
    inherited = {
        name: value
        for name, value in environment(folder).items()
        if name not in without
    }
    try:
        subprocess.run(
            command("compare", *arguments),
            env={
                **inherited,
                "PATH": f"{folder}:{os.environ['PATH']}",
                "PAGED": str(folder / "paged"),
                "TERM": "xterm-256color",
                **env,
            },
            cwd=folder,
            stdin=its,
            stdout=its,
            stderr=subprocess.PIPE,
            timeout=DEADLINE_S,
            check=True,
        )
    finally:
        os.close(its)
        os.close(ours)
    return (folder / "paged").read_text("utf-8")


def test_on_a_terminal_there_are_colours_and_a_pager(tmp_path: Path) -> None:
    told = on_a_terminal(tmp_path, 120, "mapreduce")
    assert "\x1b[" in told
    assert told.count("┼") >= 1
    (rule,) = [line for line in told.splitlines() if set(line) == set("─┼")]
    assert 117 <= len(rule) <= 120


def test_where_no_colours_are_wanted_there_are_none(tmp_path: Path) -> None:
    assert "\x1b" not in on_a_terminal(
        tmp_path, 100, "mapreduce", NO_COLOR="1"
    )
