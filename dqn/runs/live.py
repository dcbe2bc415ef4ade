"""The live line of a run, on standard error.

    round 120/1000 · 78 episodes · 48,000 steps, 9,120/s · score 103.2 · ..

On a terminal it is redrawn in its place; elsewhere there is a line per test.
"""

from __future__ import annotations

import sys

import click

from dqn.runs.run import Status

CLEAR = "\r\x1b[K"


class LiveLine:
    """Shows how a run is doing: pass its `show` to the run."""

    def __init__(self, max_rounds: int, every_test: bool = True) -> None:
        self._max_rounds = max_rounds
        self._every_test = every_test  # print a line, without a terminal
        self._on_terminal = sys.stderr.isatty()
        self._tested = 0  # the round of the newest line that stays

    def show(self, status: Status) -> None:
        """Show a run after a round."""
        line = f"{text(status)} · round {status.round}/{self._max_rounds}"
        if self._on_terminal:
            click.echo(CLEAR + line, err=True, nl=False)
        elif self._every_test and status.test_round > self._tested:
            self._tested = status.test_round
            click.echo(line, err=True)

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self.close()
        click.echo(line, err=True)

    def close(self) -> None:
        """Clear the live line."""
        if self._on_terminal:
            click.echo(CLEAR, err=True, nl=False)


def text(status: Status) -> str:
    """Return a status in words."""
    words = [
        f"{status.seconds:.1f} s",
        f"{status.episodes:,} episodes",
        f"{status.steps:,} steps, {status.steps_per_second:,.0f}/s",
    ]
    if status.average_score is not None:
        words.append(f"training score {status.average_score:.1f}")
    if status.test_score is not None:
        words.append(f"test {status.test_score:.1f}")
    return " · ".join(words)
