"""`minimr workers`: the workers of rung 1 on many machines, at once.

    FILE: ADDRESS [SSH-DESTINATION] ──> ssh, one for each machine
                                          └─> minimr worker --address ...

The token goes to each machine by standard input, and is kept there in a file
that only its user can read. What the workers say is shown, with their names.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TextIO

import click

from minimr.cli.console import note
from minimr.cli.engines import LISTENER
from minimr.net.channel import Address
from minimr.net.token import load_token, token_path

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
TOKEN = "$HOME/.minimr/token-of-workers"
END_S = 10.0  # for those that are told to end


@click.command()
@click.option(
    "--hosts",
    required=True,
    type=click.File(),
    help="Lines of: ADDRESS [SSH-DESTINATION]",
)
@LISTENER
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="For the run to begin, in seconds.",
)
@click.option(
    "--python",
    default=sys.executable,
    show_default=True,
    help="The Python that has minimr, on each machine.",
)
def workers(
    hosts: TextIO, address: Address, wait_s: float, python: str
) -> int:
    """Start a worker of `sockets` on every machine in a FILE, over ssh.

    They work until the run ends. Ctrl-C ends them.
    """
    found = read_hosts(hosts.read())
    if not found:
        raise click.UsageError(f"no machines are in {hosts.name}")
    load_token()  # it is made, if there is none
    worker = worker_command(python, "{}:{}".format(*address), wait_s)
    line = (
        f'umask 077; mkdir -p "$HOME/.minimr"; cat > "{TOKEN}"; '
        f'MINIMR_TOKEN_FILE="{TOKEN}" exec {shlex.join(worker)}'
    )
    commands = {host: [*SSH, host, line] for _, host in found}
    return side_by_side(commands, token_path())


def read_hosts(text: str) -> tuple[tuple[str, str], ...]:
    """Parse lines of `ADDRESS [SSH-DESTINATION]`; `#` begins a comment."""
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    return tuple((line[0], line[-1]) for line in lines if line)


def worker_command(python: str, address: str, wait_s: float) -> list[str]:
    """Return the command of one worker."""
    command = [python, "-m", "minimr", "worker"]
    return [*command, "--address", address, "--wait", f"{wait_s:g}"]


def side_by_side(
    commands: Mapping[str, Sequence[str]], stdin: Path | None = None
) -> int:
    """Run commands at the same time; show their lines with their names.

    Blocks: until all have ended.

    Args:
        commands: {name: its arguments}.
        stdin: a file, for the standard input of each.

    Returns: 1 if any has failed, which is said; else 0.
    """
    started = {
        name: _start(command, stdin) for name, command in commands.items()
    }
    readers = [
        threading.Thread(target=_show, args=(name, process.stdout))
        for name, process in started.items()
    ]
    try:
        for reader in readers:
            reader.start()
        codes = {name: p.wait() for name, p in started.items()}
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in readers:
            reader.join()
    failed = [name for name, code in codes.items() if code]
    for name in failed:
        note(f"[{name}] it has failed: exit code {codes[name]}")
    return 1 if failed else 0


def _start(
    command: Sequence[str], stdin: Path | None
) -> subprocess.Popen[str]:
    with open(stdin or "/dev/null") as given:
        return subprocess.Popen(
            command,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for this command alone
        )


def _show(name: str, lines: IO[str] | None) -> None:
    assert lines is not None
    with lines:
        for line in lines:
            note(f"[{name}] {line.rstrip()}")
