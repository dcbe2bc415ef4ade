"""The commands, each loaded only when it is called.

    python -m benchmarks NAME ──> COMMANDS[NAME] ──> import module, take
                                                     its click command

The help lines stand here, too, so that `--help` imports no command: one whose
packages are missing does not stop the others.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = {  # {name: (module:attribute, help)}
    "wordcount": ("benchmarks.wordcount.main:wordcount",
        "Time word count on every engine and on its peers."),
    "cost": ("benchmarks.cost.main:cost",
        "Ask how many workers it takes to beat a single thread."),
    "arena": ("benchmarks.arena.main:arena",
        "Compare Ray, minimr and other runtimes in the same cases."),
    "dqn": ("benchmarks.dqn.main:dqn",
        "Time how soon learners land, ours and a peer."),
    "memory": ("benchmarks.memory:memory",
        "Show how the memory of workers depends on the size of a file."),
    "micro": ("benchmarks.micro.main:micro",
        "Compare Ray's microbenchmark on Ray and on minimr."),
    "compare": ("benchmarks.compare.main:compare",
        "Compare this tree with a commit: is anything slower?"),
    "parameter-server": ("benchmarks.parameter_server.main:parameter_server",
        "Time pushes, pulls and rounds of parameter servers."),
    "endurance": ("benchmarks.endurance.main:endurance",
        "Check what still holds after a million tasks and a thousand actors."),
    "startup": ("benchmarks.startup:startup",
        "Time from a command to its first map task."),
    "lab": ("benchmarks.lab.cli:lab",
        "Make five nodes on this machine, and pull their plugs."),
    "scaling": ("benchmarks.scaling.cli:scaling",
        "Measure every engine on one node to five, and with a dying node."),
    "limits": ("benchmarks.scaling.limits:limits",
        "Measure the cost of the central process, and predict many nodes."),
    "pauses": ("benchmarks.scaling.pauses:pauses",
        "Show how much more CPU time the same work takes after a pause."),
    "report": ("benchmarks.report.cli:report",
        "Make one page from the JSON files of any runs."),
}  # fmt: skip


class LazyGroup(click.Group):
    """A group whose commands are `module:attribute` until they are used."""

    def __init__(self, lazy: dict[str, tuple[str, str]], help: str) -> None:
        super().__init__("benchmarks", help=help)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names. Imports nothing."""
        return list(self.lazy)

    def get_command(
        self, ctx: click.Context, cmd_name: str
    ) -> click.Command | None:
        """Import and return a command.

        Raises:
            ClickException: its module cannot be imported here.
        """
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            raise click.ClickException(
                f"{cmd_name} cannot run here: {error}"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the help of the group. Imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, text) for name, (_, text) in self.lazy.items()]
            )


main = LazyGroup(COMMANDS, "Measure minimr, and compare it with others.")


def run(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code."""
    from minimr.cli.guard import guarded

    name = "python -m benchmarks"
    return guarded(
        "benchmarks",
        lambda: main.main(arguments, prog_name=name, standalone_mode=False),
    )
