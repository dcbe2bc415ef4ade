"""A lab without root, and one on hosts over ssh."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab.cli import make_plan
from benchmarks.lab.lab import Lab
from benchmarks.lab.plan import LabError
from benchmarks.lab.team import Team

from .conftest import NAME, remains

pytestmark = pytest.mark.timeout(60)

# Runs the line for the remote shell here; notes whom it was said to.
SSH = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
echo "$1" >> "$0.said"
exec env -i HOME="$HOME" sh -c "$2"
"""


@pytest.fixture
def lab(home: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("MINIMR_LAB", str(Path(home).parent))
    lab = Lab(home)
    yield lab
    lab.down()
    assert remains(home) == []


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "hosts"
    file.write_text("127.77.1.1 first\n127.77.1.2 ann@second\n")
    with file.open() as opened:
        yield opened


def count_works(lab: Lab, engine: str) -> None:
    team = Team(lab, engine)
    try:
        team.await_nodes(30)
        texts = ["a b"] * 12
        counts = team.ask("tests.lab.jobs:count", 30, texts=texts)["counts"]
        assert counts == {"a": 12, "b": 12}
    finally:
        team.close()


def test_without_root_nodes_are_addresses_and_the_lab_says_so(
    lab: Lab,
) -> None:
    plan = make_plan(
        NAME, loopback=True, engine="minimr", nodes=3, cpu_share=0.5
    )
    lab.up(plan)
    assert "no CPU share" in lab.plan.in_words()
    assert plan.cpu_share is None
    count_works(lab, "sockets")
    count_works(lab, "minimr")
    with pytest.raises(LabError, match="only a lab in network namespaces"):
        lab.cut("n2")
    lab.kill("n2")
    assert lab.usage()["n2"].commands == ()
    assert lab.usage()["n3"].commands != ()
    assert lab.heal("n2") == ["minimr"]
    assert lab.usage()["n2"].commands != ()


def test_hosts_are_told_the_same_over_ssh(
    lab: Lab, hosts: Any, tmp_path: Path
) -> None:
    plan = make_plan(NAME, hosts=hosts, engine="minimr", nodes=2)
    lab.up(plan)
    said = (tmp_path / "ssh.said").read_text().split()
    assert set(said) == {"first", "ann@second"}
    assert any("node.main" in c for c in lab.usage()["n2"].commands)
    count_works(lab, "minimr")
    lab.kill("n2")
    assert lab.usage()["n2"].commands == ()
    assert lab.heal("n2") == ["minimr"]


def test_a_dry_run_on_hosts_says_nothing_to_them(
    lab: Lab, hosts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(NAME, hosts=hosts, engine="both", nodes=2)
    Lab(lab.home, dry=True).up(plan)
    shown = capsys.readouterr().err
    assert "ann@second" in shown
    assert "start --head" in shown
    assert not (tmp_path / "ssh.said").exists()


def test_a_host_that_fails_is_named(
    lab: Lab, hosts: Any, tmp_path: Path
) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\necho no route >&2; exit 255\n")
    plan = make_plan(NAME, hosts=hosts, engine="minimr", nodes=2)
    with pytest.raises(LabError, match=r"(?s)first.*no route"):
        lab.up(plan)
    (tmp_path / "ssh").write_text(SSH)


def test_the_commands_say_in_one_line_what_does_not_work(home: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "lab", "cut", "n2"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MINIMR_LAB": home},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2  # bad input, as of every command
    assert ended.stderr.startswith("benchmarks: there is no lab in")
    assert len(ended.stderr.splitlines()) == 1
