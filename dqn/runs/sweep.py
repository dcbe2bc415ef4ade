"""Trains once for every combination of three settings of the assignment.

    combinations ─> run ─> FOLDER/agents-2_batch-64_games-5.jsonl
                              └─> sweep.md, sweep.json, sweep.png

Rules:

1. The log of a combination gets its name only when its run is over. So all
   logs are finished, and a sweep that was stopped continues with the rest.
2. Tables and the picture are made from the logs alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from dqn.algorithm.environment import shape_of
from dqn.distributed.engines import Engine
from dqn.distributed.experience import make_team
from dqn.errors import DQNError
from dqn.runs.curves import Grid, draw_sweep
from dqn.runs.history import History, read
from dqn.runs.live import LiveLine
from dqn.runs.run import Log, Run
from dqn.settings import Settings
from minimr.system.files import atomic_writer, put

VARIED = ("num_agents", "batch_size", "num_epochs_agents_train")
HEADS = (
    *VARIED,
    "best test score",
    "seconds to target",
    "seconds",
    "rounds",
    "steps",
)


@dataclass(frozen=True)
class Result:
    """The result of one combination."""

    num_agents: int
    batch_size: int
    num_epochs_agents_train: int
    best_score: float | None
    seconds_to_target: float | None  # None: not reached
    seconds: float  # of training, without tests
    rounds: int
    steps: int


class Sweep:
    """A folder of runs.

    Args:
        folder: where everything is kept; created if missing.
        settings: what all runs have in common.
        values: what to try, of each of `VARIED`.
        engine: its name on the command line.

    Raises:
        DQNError: the folder cannot be written, a value is out of range, or
            the folder has runs of other settings.
    """

    def __init__(
        self,
        folder: str,
        settings: Settings,
        values: Sequence[Sequence[int]],
        engine: str,
    ) -> None:
        self._folder, self._engine = Path(folder), engine
        self._values = [sorted(set(each)) for each in values]
        self.combinations = [
            _with(settings, each) for each in product(*self._values)
        ]
        shape_of(settings.environment)  # raises if it does not exist
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DQNError(
                f"cannot write {folder}: {error.strerror}"
            ) from error
        self.finished = {
            combination: self._check(read(path), combination)
            for combination in self.combinations
            if (path := self._path(combination)).exists()
        }

    def missing(self) -> list[Settings]:
        """Return the combinations that are still to run."""
        return [c for c in self.combinations if c not in self.finished]

    def run(
        self,
        settings: Settings,
        engine: Engine,
        tell: Callable[[str], None],
    ) -> Result:
        """Train one combination, keep its log, and return its result.

        Blocks: until the target or the limit is reached.
        """
        path = self._path(settings)
        draft = path.with_suffix(".part")
        log = Log(str(draft), self._facts(settings))
        line = LiveLine(settings.max_rounds, every_test=False)
        team = make_team(settings, *engine, None, tell)
        try:
            Run(settings, team, log=log, show=line.show, tell=tell).run()
        finally:
            line.close()
            team.close()
        put(draft, path)
        self.finished[settings] = history = read(path)
        return result(history)

    def results(self) -> list[Result]:
        """Return the results so far, in the order of the combinations."""
        return [
            result(self.finished[combination])
            for combination in self.combinations
            if combination in self.finished
        ]

    def save_tables(self) -> str:
        """Write `sweep.md` and `sweep.json`; return the text of the first."""
        results = self.results()
        text = "".join(f"{line}\n" for line in table(results))
        content = {
            "engine": self._engine,
            "settings": asdict(self.combinations[0]),
            "results": [asdict(each) for each in results],
        }
        for name, written in (
            ("sweep.md", text),
            ("sweep.json", json.dumps(content, indent=1) + "\n"),
        ):
            with atomic_writer(str(self._folder / name)) as file:
                file.write(written)
        return text

    def save_picture(self) -> Path:
        """Write `sweep.png`; return its path."""
        path = self._folder / "sweep.png"
        grid = Grid(*zip(VARIED, self._values, strict=True))
        draw_sweep(str(path), [*self.finished.values()], grid)
        return path

    def _path(self, settings: Settings) -> Path:
        name = (
            f"agents-{settings.num_agents}_batch-{settings.batch_size}_"
            f"games-{settings.num_epochs_agents_train}.jsonl"
        )
        return self._folder / name

    def _facts(self, settings: Settings) -> dict[str, Any]:
        facts = {"engine": self._engine, **asdict(settings)}
        return dict(json.loads(json.dumps(facts)))  # as they are in a log

    def _check(self, found: History, settings: Settings) -> History:
        for key, value in self._facts(settings).items():
            if found.facts.get(key) != value:
                raise DQNError(
                    f"{found.name}.jsonl is of a run whose {key} was "
                    f"{found.facts.get(key)}, not {value}: name another folder"
                )
        return found


def _with(settings: Settings, values: Sequence[int]) -> Settings:
    chosen: dict[str, Any] = dict(zip(VARIED, values, strict=True))
    return replace(settings, **chosen)


def result(history: History) -> Result:
    """Return the result of a run."""
    facts, last = history.facts, history.tests[-1]
    agents, batch, games = (facts[name] for name in VARIED)
    return Result(
        agents,
        batch,
        games,
        best_score=history.best,
        seconds_to_target=history.seconds_to(facts["target_score"]),
        seconds=last["seconds"],
        rounds=last["round"],
        steps=last["steps"],
    )


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(HEADS)} |"
    yield "|" + "---:|" * len(HEADS)
    for each in results:
        to_target = each.seconds_to_target
        cells = (
            each.num_agents,
            each.batch_size,
            each.num_epochs_agents_train,
            f"{each.best_score:.1f}",
            "not reached" if to_target is None else f"{to_target:.1f}",
            f"{each.seconds:.1f}",
            each.rounds,
            f"{each.steps:,}",
        )
        yield f"| {' | '.join(map(str, cells))} |"
