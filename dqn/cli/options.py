"""Options that several commands have."""

from __future__ import annotations

import click

from dqn.distributed.engines import ENGINES

ENGINE = click.option(
    "--engine",
    default="minimr",
    show_default=True,
    type=click.Choice([*ENGINES]),
    help="Actors of minimr, of Ray, or a for loop.",
)
ADDRESS = click.option(
    "--address",
    metavar="HOST:PORT",
    help="Of a cluster of that engine to join; local: start one. "
    "[default: the one that runs here, else local]",
)
SHARE_HELP = (
    "weights: each agent learns, and the weights are averaged, as in the "
    "assignment. experience: agents play, and GlobalNet learns from all games."
)
