"""The command line: `python -m dqn COMMAND`.

    python -m dqn train    several agents, on an engine
    python -m dqn single   one learner in one process
    python -m dqn play     a trained network, watched
    python -m dqn plot     the scores of runs, drawn
    python -m dqn sweep    settings of the agents, compared

Rules:

1. Bad input gets one line on standard error and exit code 2. Ctrl-C gets 130,
   and saves the state of the run in the checkpoint.
2. A file that cannot be written is an error before the training, not after.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, TypeVar

import click

from dqn.algorithm.environment import limit_of
from dqn.algorithm.network import Weights
from dqn.cli.options import ADDRESS, ENGINE, SHARE_HELP
from dqn.cli.play import play
from dqn.cli.plot import plot
from dqn.cli.sweep import sweep
from dqn.distributed.engines import open_engine
from dqn.distributed.experience import make_team
from dqn.errors import DQNError
from dqn.runs.checkpoint import CheckpointFile, Latest
from dqn.runs.learner import Learner
from dqn.runs.live import LiveLine, text
from dqn.runs.run import Log, Run, Status
from dqn.runs.tensorboard import Board
from dqn.settings import SHARE, Settings
from dqn.watch.flight import Flights, flies
from minimr.cli.console import note, say
from minimr.cli.guard import guarded
from minimr.system.leaving import calling, raising

Command = TypeVar("Command", bound=Callable[..., Any])
POSITIVE = click.IntRange(min=1)
DEFAULTS = Settings()
CHECKPOINT = "model_checkpoint.pth"

# (flag, type, help) of the settings of the same names
SETTINGS = (
    ("--environment", str, "Its id in Gymnasium, or gym:ID."),
    ("--batch-size", POSITIVE, "Transitions per update."),
    ("--num-envs", POSITIVE, "Environments that step together."),
    ("--num-epochs-agents-train", POSITIVE, "Games per agent and round."),
    ("--num-steps-agents-train", POSITIVE, "Else steps per round."),
    ("--target-score", float, "End when a test has this average,"),
    ("--max-rounds", POSITIVE, "or after this many rounds,"),
    ("--max-seconds", float, "or after this much training."),
    ("--rounds-between-tests", POSITIVE, "How often to test."),
    ("--seed", click.IntRange(min=0), "Of all random numbers."),
)
OF_A_TEAM = (
    ("--num-agents", int, "Agents that work side by side."),
    ("--share", click.Choice(SHARE), SHARE_HELP),
    ("--num-cpus", float, "Processors per agent."),
)


def _options(*tables: Any) -> Callable[[Command], Command]:
    """Add the flags of some settings to a command, and those of files."""

    def decorate(command: Command) -> Command:
        files = (
            click.option("--checkpoint", default=CHECKPOINT, metavar="FILE"),
            click.option("--log", metavar="FILE", help="Write run.jsonl."),
            click.option("--tensorboard", metavar="DIR", help="Write it."),
            click.option("--resume", is_flag=True, help="Continue it."),
        )
        for option in reversed(files):
            command = option(command)
        for flag, type_, help_ in reversed([row for t in tables for row in t]):
            default = getattr(DEFAULTS, flag[2:].replace("-", "_"))
            command = click.option(
                flag,
                type=type_,
                default=default,
                show_default=True,
                help=help_,
            )(command)
        return command

    return decorate


@click.group()
def cli() -> None:
    """Train a DQN: in one process, or by agents on an engine."""


@cli.command()
@ENGINE
@ADDRESS
@_options(OF_A_TEAM, SETTINGS)
def train(
    engine: str,
    address: str | None,
    checkpoint: str,
    log: str | None,
    tensorboard: str | None,
    resume: bool,
    **chosen: Any,
) -> None:
    """Train one network by several agents.

    The assignment's way is --share weights: each agent learns, and the
    weights are averaged after each round. The default is --share experience:
    agents play, and GlobalNet learns. It lands sooner on two cores.
    """
    settings = Settings(**chosen)
    file, log_ = _files(settings, checkpoint, log, engine, resume)
    with ExitStack() as stack:
        board = _board(stack, tensorboard, settings, engine)
        line = LiveLine(settings.max_rounds)
        verbs, make_server = stack.enter_context(
            open_engine(engine, address=address, tell=line.note)
        )
        latest = _latest(file, resume)
        team = make_team(settings, verbs, make_server, latest, line.note)
        stack.callback(team.close)
        line.note(f"{engine}, {settings.in_words()}")
        _note_limit(settings.environment)
        show, fly = _show(line, board), _fly(stack, settings, log)
        run = Run(settings, team, file, log_, show, latest, line.note, fly)
        _run(run, line)


@cli.command()
@_options(SETTINGS)
def single(
    checkpoint: str,
    log: str | None,
    tensorboard: str | None,
    resume: bool,
    **chosen: Any,
) -> None:
    """Train with one learner in this process."""
    settings = Settings(num_agents=1, **chosen)
    file, log_ = _files(settings, checkpoint, log, "single", resume)
    with ExitStack() as stack:
        board = _board(stack, tensorboard, settings, "single")
        latest = _latest(file, resume)
        learner = Learner(settings, latest)
        stack.callback(learner.close)
        _note_limit(settings.environment)
        line = LiveLine(settings.max_rounds)
        show, fly = _show(line, board), _fly(stack, settings, log)
        run = Run(settings, learner, file, log_, show, latest, line.note, fly)
        _run(run, line)


for command in (play, plot, sweep):
    cli.add_command(command)


def _note_limit(environment: str) -> None:
    if limit := limit_of(environment):
        note(limit)


def _files(
    settings: Settings,
    checkpoint: str,
    log: str | None,
    engine: str,
    resume: bool,
) -> tuple[CheckpointFile, Log]:
    file = CheckpointFile(checkpoint, settings)
    facts = {"engine": engine, **asdict(settings)}
    return file, Log(log, facts, resume)


def _board(
    stack: ExitStack, folder: str | None, settings: Settings, engine: str
) -> Board:
    board = Board(folder, {"engine": engine, **asdict(settings)})
    stack.callback(board.close)
    return board


def _fly(
    stack: ExitStack, settings: Settings, log: str | None
) -> Callable[[Weights], dict[str, Any]] | None:
    """Return what plays a game for the log after each test, if anything."""
    if log is None or not flies(settings.environment):
        return None
    flights = Flights(settings.environment, settings.hidden)
    stack.callback(flights.close)
    return flights.fly


def _latest(file: CheckpointFile, resume: bool) -> Latest | None:
    if not resume:
        return None
    if file.checkpoint is None:
        raise DQNError("there is no checkpoint to resume from")
    return file.checkpoint.latest


def _show(line: LiveLine, board: Board) -> Callable[[Status], None]:
    def show(status: Status) -> None:
        line.show(status)
        board.show(status)

    return show


def _run(run: Run, line: LiveLine) -> None:
    try:
        with calling(line.close), raising():
            status = run.run()
    finally:
        line.close()
    best = status.best_score
    score = "none" if best is None else f"{best:.1f}"
    say(f"{text(status)} · best test {score}: {run.verdict}")


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    return guarded(
        "dqn",
        lambda: cli.main(arguments, prog_name="dqn", standalone_mode=False),
        {DQNError: 2},
        "interrupted; --resume continues from the checkpoint",
    )
