"""The command line: `minimr COMMAND`.

    minimr wordcount   count words on one engine, or on all and compare
    minimr parameter-server  train on one engine in every mode
    minimr worker      join a run as one more worker
    minimr compare     two implementations side by side
    minimr corpus      fetch text to count
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
import os
import sys
from typing import Any, NoReturn

import click

from minimr.console import note
from minimr.corpus import InputError
from minimr.engines import EngineError
from minimr.interface import JobError, ParameterServerError
from minimr.narrate import narrate
from minimr.net.token import TokenError

# {command: where its function is}
COMMANDS = {
    "wordcount": "minimr.cli_wordcount:wordcount",
    "parameter-server": "minimr.cli_parameter_server:parameter_server",
    "worker": "minimr.cli_worker:worker",
    "compare": "minimr.compare:compare",
    "corpus": "minimr.cli_corpus:corpus",
    "start": "minimr.cli_cluster:start",
    "stop": "minimr.cli_cluster:stop",
    "status": "minimr.cli_cluster:status",
    "list": "minimr.cli_cluster:list_",
    "timeline": "minimr.cli_cluster:timeline",
}

BAD_INPUT = (InputError, EngineError, TokenError, ConnectionError)


class LazyGroup(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them, in the order of the table."""
        return list(COMMANDS)

    def get_command(
        self, ctx: click.Context, cmd_name: str
    ) -> click.Command | None:
        """Import one."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="minimr")
def cli() -> None:
    """MapReduce, actors and parameter servers: from scratch, and on Ray."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code."""
    narrate()
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command; give its exit code."""
    try:
        code: Any = cli.main(arguments, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        note(error.format_message())
        return 2
    except click.ClickException as error:
        note(f"minimr: {error.format_message()}")
        return 2
    except BAD_INPUT as error:
        note(f"minimr: {error}")
        return 2
    except BrokenPipeError:  # `minimr ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        note(f"minimr: {_os_error(error)}")
        return 2
    except JobError as error:
        note(f"minimr: the job has failed: {error}")
        return 1
    except ParameterServerError as error:
        note(f"minimr: {error}")
        return 1
    except (KeyboardInterrupt, click.Abort):
        note("minimr: interrupted")
        return 130
    return code if isinstance(code, int) else 0


def _os_error(error: OSError) -> str:
    if error.filename is None:
        return error.strerror or str(error)
    return f"cannot use {error.filename}: {error.strerror}"


if __name__ == "__main__":
    main()
