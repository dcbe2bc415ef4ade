"""`minimr worker`: join a run, from this machine or another."""

from __future__ import annotations

import time

import click

from minimr.cli.console import note
from minimr.cli.engines import LISTENER
from minimr.net.channel import Address
from minimr.net.handshake import HandshakeError
from minimr.net.token import load_token, token_path
from minimr.sockets.cluster.worker import Worker

RETRY_INTERVAL_S = 0.2


@click.command()
@LISTENER
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Keep trying for this many seconds while nobody answers.",
)
def worker(address: Address, wait_s: float) -> None:
    """Work for a run until it ends."""
    where, token = "{}:{}".format(*address), load_token()
    until = time.monotonic() + wait_s
    while True:
        try:
            joined = Worker(address, token)
            break
        except HandshakeError as error:
            which = f" (the token here is {token_path()})"
            hint = which if "token" in str(error) else ""
            raise ConnectionError(f"{error}{hint}") from None
        except ConnectionError:
            if time.monotonic() >= until:
                raise
            time.sleep(RETRY_INTERVAL_S)
    note(f"worker {joined.welcome.worker_id} works for {where}")
    joined.run(lambda why: note(f"{where} has ended: {why}"))
