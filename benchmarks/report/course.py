"""`minimr report RUNS`: the report of a student, from their own runs.

    runs/*.json, *.jsonl ─┬─> word count: seconds over the map tasks
                          ├─> dqn: the timeline of every combination
                          ├─> scaling and benchmarks: as `benchmarks report`
                          └─> what is missing, and what differs by more than
                              the runs of one setting do

Rules:

1. It says nothing that the runs do not say: a difference is named beside the
   spread, and where nothing was run twice, that there is no spread.
2. A combination that is missing is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from statistics import mean, median
from typing import Any

import click

from benchmarks.common import tables
from benchmarks.common.options import tell
from benchmarks.common.timing import Spread
from benchmarks.report import draw, others, scaling
from benchmarks.report.cli import origins, write
from benchmarks.report.content import Figure, Section, Table
from benchmarks.scaling.store import KINDS, Store
from dqn.errors import DQNError
from dqn.runs import history
from dqn.runs.sweep import VARIED

WORDS, DQN = "word count", "dqn"
WORD_HEADS = ("engine", "nodes", "map tasks", "reduce tasks", "runs",
              "median s", "from", "to", "words/s", "right")  # fmt: skip
DQN_HEADS = ("engine", "agents", "batch size", "games per round", "runs",
             "rounds", "best test", "rounds to target", "seconds")  # fmt: skip

Document = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """One training of several agents, from a notebook or a log."""

    engine: str
    setting: tuple[int, ...]  # agents, batch size, games per round
    target: float
    seconds: float
    scores: list[float]

    @property
    def reached(self) -> int | None:
        """The round of the first test that had the target, from 1."""
        for number, score in enumerate(self.scores, 1):
            if score >= self.target:
                return number
        return None

    @property
    def name(self) -> str:
        """The combination, in words."""
        return _name(self.engine, self.setting)


@click.command()
@click.argument("runs", type=click.Path(exists=True, file_okay=False))
@click.option("--title", default="Word count and a distributed DQN")
@click.option(
    "--to", type=click.Path(file_okay=False), help="Default: the folder."
)
def report(runs: str, title: str, to: str | None) -> None:
    """Write the report of the runs in a folder.

    RUNS has what the notebooks keep, and what `minimr wordcount --json`,
    `python -m dqn`, `benchmarks scaling` and other benchmarks write. It makes
    report.html, which stands alone, and report.md with its figures.
    """
    folder = Path(runs)
    documents = read(folder)
    trainings = [*_trainings(documents.values()), *_logs(folder)]
    measured = [d for d in documents.values() if d.get("run") == WORDS]
    sections = [
        *words(measured),
        *dqn(trainings, _wanted(documents.values())),
        *scaling.sections(list(Store(runs).points())),
    ]
    sections += [
        others.section(document, path.name)
        for path, document in documents.items()
        if document.get("benchmark", KINDS[0]) not in KINDS
    ]
    if not sections:
        raise click.ClickException(
            f"no runs are in {folder}: the notebooks keep theirs in the "
            "folder runs"
        )
    made = {p: d for p, d in documents.items() if d.get("machine")}
    target = Path(to or folder)
    write(target, title, sections, origins(made))
    click.echo(f"wrote {target / 'report.html'} and {target / 'report.md'}")


def read(folder: Path) -> dict[Path, Document]:
    """Return the documents of runs; print a line per other file."""
    found: dict[Path, Document] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            tell(f"{path} is left out: it cannot be read as JSON ({error})")
            continue
        for number, each in enumerate(_documents(document)):
            place = path.with_name(f"{path.name}-{number}" if number else
                                   path.name)  # fmt: skip
            if {"run", "benchmark"} & set(each):
                found[place] = each
            else:
                tell(f"{path} is left out: it is no run of the course")
    return found


def _documents(content: Any) -> list[Document]:
    """Return the runs of a file; `minimr wordcount --json` has a list."""
    if isinstance(content, dict):
        return [content]
    return [
        {
            "run": WORDS,
            "engine": row["engine"],
            "nodes": 1,
            "map_tasks": row["map_tasks"],
            "reduce_tasks": row["reduce_tasks"],
            "words": row["words"],
            "identical": row["identical"] is not False,
            "seconds": [row["seconds"]],
        }
        for row in content
        if isinstance(row, dict) and "map_tasks" in row
    ] or [{}]


# ---- word count ----


def words(runs: Sequence[Document]) -> Iterator[Section]:
    """Yield a section for each text that was counted, by its size.

    The seconds of a short text say nothing about those of a long one.
    """
    sizes = sorted({run["words"] for run in runs})
    for size in sizes:
        same = [run for run in runs if run["words"] == size]
        of = f" of {size:,} words" if len(sizes) > 1 else ""
        yield _words(same, f"Word count{of}", f"words-{size}")


def _words(runs: Sequence[Document], title: str, figure: str) -> Section:
    section = Section(title)
    groups: dict[tuple[Any, ...], list[Document]] = {}
    for run in runs:
        groups.setdefault(_word_key(run), []).append(run)
    times = {
        key: [s for run in group for s in run["seconds"]]
        for key, group in sorted(groups.items())
    }
    for key, group in sorted(groups.items()):
        if not all(run["identical"] for run in group):
            section.notes.append(f"WRONG counts: {_word_name(key)}.")
    section.notes += missing(
        "word count",
        [key[:3] for key in times],
        lambda key: f"{key[0]}{_where(key[1])}, {_many(key[2], 'map task')}",
    )
    section.notes.append(
        difference({_word_name(key): spent for key, spent in times.items()})
    )
    bars: dict[str, dict[str, Spread]] = {}
    for (engine, nodes, maps, _), spent in times.items():
        group_name = f"{maps} tasks" + (f":{nodes} nodes" if nodes > 1 else "")
        bars.setdefault(group_name, {})[engine] = Spread.of(spent)
    png = draw.bars(bars, "Seconds of a count", "seconds")
    section.figures.append(
        Figure(
            figure,
            "The less the better: the median of each setting, and from its "
            "fastest run to its slowest.",
            png,
        )
    )
    rows = [_word_row(key, groups[key], spent) for key, spent in times.items()]
    section.tables.append(Table(WORD_HEADS, rows))
    return section


def _word_key(run: Document) -> tuple[Any, ...]:
    return (run["engine"], run["nodes"], run["map_tasks"], run["reduce_tasks"])


def _word_name(key: tuple[Any, ...]) -> str:
    engine, nodes, maps, reduces = key
    return (
        f"{engine}{_where(nodes)} with {maps} map and {reduces} reduce tasks"
    )


def _where(nodes: int) -> str:
    return f" on {nodes} nodes" if nodes > 1 else ""


def _word_row(
    key: tuple[Any, ...], group: Sequence[Document], spent: Sequence[float]
) -> list[str]:
    spread = Spread.of(spent)
    seconds = (spread.median, spread.low, spread.high)
    rate = group[0]["words"] / max(spread.median, 1e-9)
    right = "yes" if all(run["identical"] for run in group) else "NO"
    return [
        *map(str, key),
        str(len(spent)),
        *map(tables.seconds, seconds),
        f"{rate:,.0f}",
        right,
    ]


# ---- DQN ----


def dqn(
    trainings: Sequence[Training], wanted: Sequence[tuple[int, ...]]
) -> Iterator[Section]:
    """Yield the section of the DQN."""
    if not trainings:
        return
    section = Section("A distributed DQN")
    groups: dict[str, list[Training]] = {}
    for training in sorted(trainings, key=lambda t: (t.engine, t.setting)):
        groups.setdefault(training.name, []).append(training)
    engines = dict.fromkeys(training.engine for training in trainings)
    section.notes += missing(
        "dqn",
        [(training.engine, *training.setting) for training in trainings],
        lambda key: _name(key[0], key[1:]),
        [(engine, *setting) for engine in engines for setting in wanted],
    )
    section.notes.append(
        difference(
            {name: [max(t.scores) for t in group]
             for name, group in groups.items()},
            what="the best test", unit="points", less_is_better=False,
        )
    )  # fmt: skip
    steps = [
        abs(later - score)
        for training in trainings
        for score, later in pairwise(training.scores)
    ]
    if steps:
        section.notes.append(
            "From one test to the next of the same training, the score "
            f"differs by {mean(steps):.0f} points on average: that much of a "
            "difference between two tests says nothing."
        )
    section.figures.append(
        Figure(
            "timelines",
            "The average score of the test games after each round, one line "
            "for each training.",
            timelines(trainings),
        )
    )
    rows = [_dqn_row(group) for group in groups.values()]
    section.tables.append(Table(DQN_HEADS, rows))
    yield section


def timelines(trainings: Sequence[Training]) -> bytes:
    """Draw the scores of every training: a panel per batch and games."""
    places = sorted({t.setting[1:] for t in trainings})
    agents = sorted({t.setting[0] for t in trainings})
    with draw.figure(len(places), "Average score of a test") as (axes, png):
        for ax, (batch, games) in zip(axes, places, strict=True):
            per_round = "game" if games == 1 else "games"
            setting = f"batch {batch}\n{games} {per_round} per round"
            ax.set_title(setting, fontsize="small")
            for training in trainings:
                if training.setting[1:] == (batch, games):
                    number = agents.index(training.setting[0])
                    ax.plot(
                        range(1, len(training.scores) + 1),
                        training.scores,
                        color=f"C{number}",
                        marker=".",
                        lw=2.5,
                        ls="--" if training.engine == "ray" else "-",
                        label=f"{training.setting[0]}, {training.engine}",
                    )
            ax.set_xlabel("round")
            ax.axhline(trainings[0].target, color="0.5", ls=":")
            ax.sharey(axes[0])
        one_each: dict[str, Any] = {}  # of the same line in several panels
        for ax in axes:
            lines, labels = ax.get_legend_handles_labels()
            one_each |= dict(zip(labels, lines, strict=True))
        labels = sorted(one_each)
        axes[0].figure.legend(
            [one_each[label] for label in labels],
            labels,
            title="agents",
            frameon=False,
            loc="outside lower center",
            ncols=3,
        )
    return png.getvalue()


def _dqn_row(group: Sequence[Training]) -> list[str]:
    first = group[0]
    reached = [t.reached for t in group if t.reached is not None]
    to_target = "not reached"
    if reached:
        to_target = f"{median(reached):g}"
        if len(reached) < len(group):
            to_target += f" ({len(reached)} of {len(group)})"
    return [
        first.engine,
        *map(str, first.setting),
        str(len(group)),
        f"{median(len(t.scores) for t in group):g}",
        f"{median(max(t.scores) for t in group):.1f}",
        to_target,
        tables.seconds(median(t.seconds for t in group)),
    ]


def _trainings(documents: Sequence[Document] | Any) -> Iterator[Training]:
    for run in documents:
        if run.get("run") == DQN and run["scores"]:
            setting = tuple(int(run[name]) for name in VARIED)
            yield Training(
                run["engine"],
                setting,
                run["target_score"],
                run["seconds"],
                run["scores"],
            )


def _logs(folder: Path) -> Iterator[Training]:
    """Yield the trainings of `python -m dqn train --log` and `sweep`."""
    for path in sorted(folder.rglob("*.jsonl")):
        try:
            found = history.read(path)
        except DQNError as error:
            tell(f"{path} is left out: {error}")
            continue
        games = found.facts.get(VARIED[2]) or 0
        if found.tests:
            yield Training(
                found.facts["engine"],
                (found.facts[VARIED[0]], found.facts[VARIED[1]], games),
                found.facts["target_score"],
                found.tests[-1]["seconds"],
                found.series(history.SCORE),
            )


def _wanted(documents: Any) -> list[tuple[int, ...]]:
    """Return the combinations that a sweep was to have."""
    values = [run["sweep"] for run in documents if run.get("sweep")]
    return [tuple(each) for sweep in values for each in product(*sweep)]


def _name(engine: str, setting: Sequence[int]) -> str:
    agents, batch, games = setting
    return (
        f"{engine}, {_many(agents, 'agent')}, batch {batch}, "
        f"{_many(games, 'game')} per round"
    )


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


# ---- what differs, and what is missing ----


def missing(
    what: str,
    there: Sequence[tuple[Any, ...]],
    named: Any,
    wanted: Sequence[tuple[Any, ...]] = (),
) -> list[str]:
    """Return a sentence that names the combinations that are missing.

    Those are what `wanted` has, or else all combinations of the values that
    are there.
    """
    values = [sorted(set(column)) for column in zip(*there, strict=True)]
    every = wanted or list(product(*values))
    lacking = [key for key in dict.fromkeys(every) if key not in there]
    if not lacking:
        return []
    names = "; ".join(named(key) for key in lacking)
    return [
        f"MISSING: {len(lacking)} of {len(set(every))} combinations of "
        f"{what} were not run: {names}."
    ]


def difference(
    groups: Mapping[str, Sequence[float]],
    what: str = "the median time",
    unit: str = "s",
    less_is_better: bool = True,
) -> str:
    """Return how far the best and the worst are apart, beside the spread."""
    if len(groups) < 2:
        return f"There is one setting, so nothing to compare {what} with."
    middle = {name: median(values) for name, values in groups.items()}
    order = sorted(middle, key=lambda name: middle[name])
    best, worst = (order[0], order[-1]) if less_is_better else (
        order[-1], order[0]
    )  # fmt: skip
    apart = abs(middle[best] - middle[worst])
    text = (
        f"The best is {best} ({middle[best]:.4g} {unit}), the worst {worst} "
        f"({middle[worst]:.4g} {unit}): {apart:.3g} {unit} apart."
    )
    spreads = [max(v) - min(v) for v in groups.values() if len(v) > 1]
    if not spreads:
        return (
            f"{text} Each was run once: how much runs of one setting differ "
            "is not known, so neither is whether this is more than chance."
        )
    widest = max(spreads)
    verdict = (
        "more than chance makes of it"
        if apart > widest
        else "so this shows no difference"
    )
    return (
        f"{text} Runs of one setting differ by up to {widest:.3g} {unit}: "
        f"{verdict}."
    )
