"""The small parts by their names, for `minimr simulate --exhaust`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from minimr.simulation.exhaust.nodes import ANYWHERE, SPECIAL, NodesModel
from minimr.simulation.exhaust.references import ReferencesModel
from minimr.simulation.exhaust.rounds import RoundsModel
from minimr.simulation.exhaust.search import Model
from minimr.simulation.exhaust.tracker import TrackerModel

MODELS: dict[str, Callable[[], Model]] = {
    "tracker": TrackerModel,
    "rounds": RoundsModel,
    "references": ReferencesModel,
    # One node, and two owners that both want its only CPU.
    "lease": partial(
        NodesModel, {"n": {"CPU": 1.0}}, {"p": ANYWHERE, "q": ANYWHERE}
    ),
    # Two nodes, of which one has what half of the tasks need.
    "scheduler": partial(
        NodesModel,
        {"n": {"CPU": 1.0}, "m": {"CPU": 1.0, "special": 1.0}},
        {"p": ANYWHERE, "q": SPECIAL},
        blocks=0,
        slices=0,
    ),
}
