"""An engine on nodes of a lab: small machines, each with a share of a core.

benchmark                 │ driver of the engine, in n1
on_nodes() ── Team.ask ───┼─> measure() ─> Engine.measure()
           <─ Sample ─────┼──
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks.common.timing import ContenderError, Sample
from benchmarks.cost.works import KINDS, of_kind
from benchmarks.lab.plan import LabError, Plan
from benchmarks.lab.team import team_of
from benchmarks.wordcount.contenders import Engine
from benchmarks.wordcount.work import Work
from minimr.interface.mapreduce import MapReduce

NAME = "mrcost"  # of the lab


class Opened(Engine):
    """An engine that is open already."""

    def __init__(self, work: Work, engine: MapReduce) -> None:
        super().__init__(work, engine.name)
        self._engine = engine


def on_nodes(work: Work, engine: str, plan: Plan) -> Sample:
    """Measure an engine in a new lab, once it is warm.

    The warm-up is the same work, without the CPU share.

    Raises:
        ContenderError: the lab or the engine does not work.
    """
    (kind,) = (name for name, each in KINDS.items() if type(work) is each)
    about = {**asdict(work), "kind": kind}
    call = f"{__name__}:{measure.__name__}"
    try:
        with team_of(plan, engine) as team:
            with team.lab.unlimited():
                team.ask(call, **about)
            return Sample(**team.ask(call, **about))
    except LabError as error:
        reason, _, details = str(error).partition("\n")
        raise ContenderError(reason, details) from error


def measure(
    engine: MapReduce, kind: str, paths: list[str], **about: Any
) -> dict[str, Any]:
    """Do the work once. Runs in: the driver, in the lab."""
    work = of_kind(kind, Work(paths=tuple(paths), **about))
    return asdict(Opened(work, engine).measure())
