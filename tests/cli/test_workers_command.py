"""`minimr workers`: one command, and every machine works."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from minimr.cli.workers import read_hosts, side_by_side, workers
from tests.cli.running import DEADLINE_S
from tests.cli.test_interrupt_and_join import read_until, start

pytestmark = pytest.mark.timeout(120)

# Runs the line for the remote shell here, in a home of its own.
SSH = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
home="$0.$1"; mkdir -p "$home"
exec env -i HOME="$home" PYTHONPATH="$PYTHONPATH" sh -c "$2"
"""
ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
PRIVILEGES = Path("/run/sshd")  # which sshd wants when it is root's
SERVER = """HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
StrictModes no
SetEnv HOME={folder}/home PYTHONPATH={root}
"""
# The server runs below the client, and listens nowhere.
CLIENT = """Host one two
ProxyCommand {sshd} -i -f {folder}/server
IdentityFile {folder}/key
UserKnownHostsFile {folder}/known
StrictHostKeyChecking accept-new
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.fixture
def real_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    client = shutil.which("ssh")
    if client is None or SSHD is None:
        pytest.skip("needs ssh and sshd")
    if os.geteuid() == 0 and not PRIVILEGES.exists():
        pytest.skip(f"sshd needs {PRIVILEGES}")
    for name in ("key", "host"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
             "-f", tmp_path / name],
            check=True,
        )  # fmt: skip
    places = {"folder": tmp_path, "root": ROOT, "sshd": SSHD}
    (tmp_path / "server").write_text(SERVER.format(**places))
    (tmp_path / "client").write_text(CLIENT.format(**places))
    (tmp_path / "home").mkdir()
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\nexec {client} -F {tmp_path}/client "$@"\n')
    program.chmod(0o755)
    knock = subprocess.run(
        [program, "one", "true"], capture_output=True, text=True,
        timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    if knock.returncode:  # an account that is locked, perhaps
        pytest.skip(f"sshd does not let us in: {knock.stderr.strip()}")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def counted(ssh: Path, text: str) -> str:
    """Count words on these hosts; return what their workers have said."""
    book, hosts = ssh / "large.txt", ssh / "hosts"
    book.write_text("some words that keep workers busy\n" * 200_000)
    hosts.write_text(text)
    with start(
        ssh, "wordcount", book, "--engine", "sockets", "--job", "textbook",
        "--workers", "1", "--map-tasks", "60", "--listen", "127.0.0.1:0",
        "--top", "1",
    ) as run:  # fmt: skip
        where = read_until(run, r"--address (\S+)")[1]
        own = psutil.Process(run.pid).children(recursive=True)
        for process in own:  # else it is done before the others are there
            process.suspend()
        with start(
            ssh, "workers", "--hosts", hosts, "--address", where
        ) as workers:
            read_until(workers, r"worker \d+ works for")
            read_until(workers, r"worker \d+ works for")
            for process in own:
                process.resume()
            output, told = run.communicate(timeout=DEADLINE_S)
            _, said = workers.communicate(timeout=DEADLINE_S)
    assert run.returncode == 0, told
    assert output.splitlines()[-1].split() == ["busy", "200,000"]
    assert workers.returncode == 0, said
    assert f"{where} has ended" in said
    return said


def test_workers_on_all_hosts_count_the_words(ssh: Path) -> None:
    said = counted(ssh, "127.0.0.1 one\n127.0.0.2 ann@two  # a comment\n")
    for host in ("one", "ann@two"):
        assert f"[{host}]" in said
        token = ssh / f"ssh.{host}" / ".minimr" / "token-of-workers"
        assert token.stat().st_mode & 0o777 == 0o600


def test_workers_are_reached_by_ssh_itself(real_ssh: Path) -> None:
    said = counted(real_ssh, "127.0.0.1 one\n127.0.0.2 two\n")
    assert "[one]" in said
    assert "[two]" in said
    token = real_ssh / "home" / ".minimr" / "token-of-workers"
    assert token.stat().st_mode & 0o777 == 0o600


def test_a_host_that_fails_is_named(
    ssh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {"good": ["echo", "here"], "bad": ["sh", "-c", "exit 3"]}
    assert side_by_side(commands) == 1
    told = capsys.readouterr().err
    assert "[good] here" in told
    assert "[bad] it has failed: exit code 3" in told


def test_hosts_are_lines() -> None:
    assert read_hosts("# all\n10.0.0.1\n10.0.0.2 ann@two # second\n") == (
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.2", "ann@two"),
    )


def test_a_file_without_hosts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# nobody\n")
    done = CliRunner().invoke(
        workers, ["--hosts", str(path), "--address", "127.0.0.1:1"]
    )
    assert done.exit_code == 2
    assert "no machines are in" in done.output
