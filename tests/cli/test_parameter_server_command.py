"""`minimr parameter-server`, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Minimr

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def test_all_modes_stand_in_one_table(minimr: Minimr, tmp_path: Path) -> None:
    path, picture = tmp_path / "out.json", tmp_path / "out.png"
    options = f"--workers 2 --seconds 0.3 --json {path} --picture {picture}"
    ended = minimr("parameter-server", *options.split())
    assert ended.returncode == 0, ended.stderr
    head, *rows = ended.stdout.splitlines()
    assert head.split()[:2] == ["engine", "mode"]
    modes = ["synchronous", "stale", "asynchronous"]
    assert [row.split()[:2] for row in rows] == [
        ["sockets", mode] for mode in modes
    ]
    found = json.loads(path.read_text())
    assert [r["mode"] for r in found["runs"]] == modes
    assert found["runs"][0]["stats"]["staleness"].keys() == {"0"}
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--engine spark", "'spark' is none of serial, sockets"),
        ("--mode fast", "'fast' is none of synchronous, stale"),
        ("--workers 0", "--workers"),
        ("--bound -1", "--bound"),
        ("--picture /no/such/folder/x.png", "/no/such/folder/x.png"),
    ],
)
def test_bad_input_costs_one_line_and_nothing_else(
    minimr: Minimr, arguments: str, said: str
) -> None:
    ended = minimr("parameter-server", *arguments.split())
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""
