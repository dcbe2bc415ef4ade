"""Options that several commands have."""

from __future__ import annotations

import click

from dqn.distributed.engines import ENGINES

ENGINE = click.option(
    "--engine",
    default="minimr",
    show_default=True,
    type=click.Choice([*ENGINES]),
    help="On whose actors: ours, Ray's, or a for loop.",
)
ADDRESS = click.option(
    "--address",
    metavar="HOST:PORT",
    help="Of a cluster of that engine to join; or local: start one. "
    "[default: the one that runs here, else local]",
)
SHARE_HELP = (
    "weights: each agent learns, and the weights are averaged, as in the "
    "assignment. experience: agents play, and GlobalNet learns from all of it."
)
