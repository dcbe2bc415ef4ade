"""The benchmark of parameter servers, as small as it can be."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.common.timing import Measurement, Outcome, Sample
from benchmarks.parameter_server.main import rows_of


def test_each_rung_stands_beside_the_bare_socket(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    arguments = (
        f"parameter-server --sizes 4KB --rungs sockets --rounds 1 "
        f"--seconds 0.01 --workers 2 --shards 1 --json {path}"
    )
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert found["benchmark"] == "parameter-server"
    moves = {(m["who"], m["round"]): m for m in found["moves"]}
    assert {who for who, _ in moves} == {"bare socket", "sockets"}
    assert all(move["push"] > 0 for move in moves.values())
    assert [r["workers"] for r in found["rounds"]] == [1, 2]
    row = next(x for x in result.stdout.splitlines() if " sockets  " in x)
    assert len(row.split()) == 9


def test_a_size_that_is_not_in_the_table_is_refused() -> None:
    arguments = ["parameter-server", "--sizes", "5KB"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "'5KB' is none of 4KB" in result.output


def test_the_call_alone_stands_below_its_rung() -> None:
    names = ["bare socket", "minimr, the call alone", "sockets", "minimr"]
    took = Sample({"push": 0.5, "pull": 0.25})
    outcome = Outcome([Measurement(name, 1, took) for name in names], {})
    rows = rows_of("4KB", outcome)
    assert [row[1] for row in rows] == [
        "bare socket", "sockets", "minimr", "minimr, the call alone"
    ]  # fmt: skip
