"""Runs commands of the system, or only prints them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from benchmarks.common.options import tell
from benchmarks.lab.plan import LabError

TIMEOUT_S = 120.0


class Command(NamedTuple):
    """A program, and the file for its standard input."""

    argv: Sequence[str]
    stdin: str = "/dev/null"

    def __str__(self) -> str:
        line = shlex.join(self.argv)
        return line if self.stdin == "/dev/null" else f"{line} < {self.stdin}"


class Shell:
    """Runs commands; a dry one prints them."""

    def __init__(self, dry: bool = False) -> None:
        self.dry = dry

    def run(self, *argv: str, stdin: str = "/dev/null") -> str:
        """Run a command; return what it prints.

        Raises:
            LabError: it failed, or did not end in time.
        """
        return self.run_all([Command(argv, stdin)])[0]

    def run_all(self, commands: Sequence[Command]) -> list[str]:
        """Run commands side by side; return what each prints.

        Raises:
            LabError: one failed, or did not end in time.
        """
        if self.dry:
            for command in commands:
                tell(str(command))
            return [""] * len(commands)
        with ExitStack() as stack:
            running = [
                self._start(command, stack.enter_context(TemporaryFile("w+")))
                for command in commands
            ]
            ended = [_ended(*each) for each in running]
        errors = [
            f"{command}\n{output.strip()}"
            for command, (code, output) in zip(commands, ended, strict=True)
            if code
        ]
        if errors:
            raise LabError("these have failed:\n" + "\n".join(errors))
        return [output for _, output in ended]

    def write(self, path: Path, text: str) -> None:
        """Write into a file of the system.

        Raises:
            LabError: it cannot be written.
        """
        if self.dry:
            tell(f"echo {shlex.quote(text)} > {path}")
            return
        try:
            path.write_text(text)
        except OSError as error:
            raise LabError(
                f"cannot write {text!r} to {path}: {error.strerror}"
            ) from error

    def make_folder(self, path: Path) -> None:
        """Make a folder that only we can read, and those above it."""
        if self.dry:
            tell(f"mkdir -p -m 700 {path}")
        else:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _start(
        self, command: Command, output: IO[str]
    ) -> tuple[subprocess.Popen[str], IO[str]]:
        # A file, not a pipe: a daemon that stays behind keeps it open, so a
        # pipe would never end.
        with open(command.stdin) as stdin:
            process = subprocess.Popen(
                command.argv,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return process, output


def _ended(process: subprocess.Popen[str], output: IO[str]) -> tuple[int, str]:
    late = ""
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        late = f"it did not end within {TIMEOUT_S:.0f} s\n"
    output.seek(0)
    return process.returncode, late + output.read()
