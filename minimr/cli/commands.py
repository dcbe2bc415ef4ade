"""The command line: `minimr COMMAND`.

    minimr wordcount   count words on one engine, or on all and compare
    minimr parameter-server  train on one engine in every mode
    minimr worker      join a run as one more worker
    minimr compare     two implementations side by side
    minimr tour        a walk through the code, from a for loop to Ray
    minimr simulate    a whole cluster in one thread, from seeds
    minimr show        a page that shows what a run did; why: in words
    minimr corpus      fetch text to count
    minimr workers     workers on many machines, over ssh
    minimr check       what is wrong in a student's notebook
    minimr report      a student's report, from their runs
    minimr start       start a node of a cluster; also stop, status
    minimr list        nodes, workers, actors, tasks, objects; also timeline

Rules:

1. A command is loaded when it is called: `minimr wordcount --engine minimr`
   is at its first map task before Ray would be imported.
2. Bad input gets one line on standard error and exit code 2, a job that
   fails 1, Ctrl-C 130.
"""

from __future__ import annotations

import importlib
import io
import os
import sys

import click

from minimr.cli.console import note
from minimr.cli.guard import guarded

# {command: where its function is}
COMMANDS = {
    "wordcount": "minimr.cli.wordcount:wordcount",
    "parameter-server": "minimr.cli.parameter_server:parameter_server",
    "worker": "minimr.cli.worker:worker",
    "compare": "minimr.cli.compare:compare",
    "tour": "minimr.cli.tour:tour",
    "simulate": "minimr.cli.simulate:simulate",
    "show": "minimr.cli.show:show",
    "why": "minimr.cli.show:why",
    "corpus": "minimr.cli.corpus:corpus",
    "workers": "minimr.cli.workers:workers",
    "report": "benchmarks.report.course:report",
    "check": "lecture.check.cli:check",
    "start": "minimr.cli.cluster:start",
    "stop": "minimr.cli.cluster:stop",
    "status": "minimr.cli.cluster:status",
    "list": "minimr.cli.cluster:list_",
    "timeline": "minimr.cli.cluster:timeline",
}


class LazyGroup(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names, in the order of the table."""
        return list(COMMANDS)

    def get_command(
        self, ctx: click.Context, cmd_name: str
    ) -> click.Command | None:
        """Import a command and return it; None: there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="minimr")
def cli() -> None:
    """MapReduce, actors and parameter servers: from scratch, and on Ray."""


def ready_streams() -> None:
    """Make the standard streams safe to print to.

    What the terminal cannot show is written as `\\u03a9`. The number of a
    closed stream is taken: else the next file that is opened would get that
    number, and all that is printed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        note("minimr: the standard output is closed: no result is shown")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  until the end


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    return guarded(
        "minimr", lambda: cli.main(arguments, standalone_mode=False)
    )
