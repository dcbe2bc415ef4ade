"""What a simulated program is: what it runs, where, and how it may end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minimr.simulation.cluster import Cluster
from minimr.simulation.machine import Machine

DRIVER = "10.0.0.1"


@dataclass(frozen=True)
class Program:
    """What runs in the driver, and what it may end with.

    Attributes:
        main: gets the simulated machine; what it returns is judged.
        errors: that it may raise when something goes wrong.
        texts: what these say, as regular expressions: one has to fit.
        ready_s: what goes wrong does so after this.
        options: of the command line, if that needs more than the name.
        cluster: what it runs on, if that is rung 2.
        disturbed: something goes wrong in it without a strike.
    """

    name: str
    main: Callable[[Machine], Any]
    errors: tuple[type[Exception], ...] = ()
    texts: tuple[str, ...] = ("",)
    ready_s: float = 0.0
    options: str = ""
    cluster: Cluster | None = None
    disturbed: bool = False
