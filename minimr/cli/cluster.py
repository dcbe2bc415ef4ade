"""Clusters from the command line.

    minimr start --head --port 6379       a new cluster, here
    minimr start --address HOST:6379      one more node
    minimr stop                           ends what `start` began, only that
    minimr status | list WHAT | timeline FILE

`start` notes the processes that it starts in a file, so that `stop` ends
these and no others.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from math import inf
from typing import Any

import click

from minimr.core.api import running, verbs
from minimr.core.api.session import (
    LOOPBACK,
    init,
    session,
    shutdown,
)
from minimr.core.api.spawn import node_options, spawn_node
from minimr.core.messages import Query
from minimr.net.channel import connect, parse_address
from minimr.net.token import load_token

STOP_TIMEOUT_S = 5.0
GIB = 2**30


@click.command()
@click.option("--head", is_flag=True, help="Start a new cluster.")
@click.option("--address", help="HOST:PORT of the head to join.")
@click.option("--port", default=0, help="Port to listen at; 0: any free one.")
@click.option(
    "--host",
    help="Address to listen at. Default: for a head 127.0.0.1, which only "
    "this machine can reach; for a node the address that the head sees.",
)
@click.option("--num-cpus", type=float)
@click.option("--num-gpus", type=float)
@click.option("--resources", default="{}", help="JSON: '{\"disk\": 1}'.")
@click.option("--labels", default="", help="KEY=VALUE,KEY=VALUE")
@click.option("--object-store-memory", type=int, help="Bytes.")
@click.option("--plasma-directory", help="For the object store.")
@click.option("--object-spilling-directory", help="For what it has no room.")
@click.option(
    "--include-dashboard",
    "page",
    type=bool,
    default=True,
    show_default=True,
    help="With --head: a page at 127.0.0.1, as `minimr show` serves it.",
)
@click.option("--block", is_flag=True, help="Stay until the node ends.")
def start(
    head: bool,
    address: str | None,
    port: int,
    host: str | None,
    num_cpus: float | None,
    num_gpus: float | None,
    resources: str,
    labels: str,
    object_store_memory: int | None,
    plasma_directory: str | None,
    object_spilling_directory: str | None,
    page: bool,
    block: bool,
) -> None:
    """Start a node: a new cluster's head, or one more."""
    if head == (address is not None):
        raise click.UsageError("give either --head or --address HOST:PORT")
    try:
        custom = {
            str(name): float(amount)
            for name, amount in json.loads(resources).items()
        }
    except (ValueError, TypeError, AttributeError):
        raise click.UsageError(
            f"--resources is not names and amounts in JSON: {resources}"
        ) from None
    for amount in (num_cpus, num_gpus, *custom.values()):
        if amount is not None and not 0 <= amount < inf:
            raise click.UsageError(f"a node cannot have an amount of {amount}")
    pairs = [pair.partition("=") for pair in labels.split(",") if pair]
    if not all(key and value for key, _, value in pairs):
        raise click.UsageError(f"--labels is not KEY=VALUE,...: {labels}")
    options = node_options(
        num_cpus,
        num_gpus,
        custom,
        object_store_memory,
        {key.strip(): value.strip() for key, _, value in pairs},
        plasma_directory,
        object_spilling_directory,
    )
    options |= {"host": host or LOOPBACK, "port": port, "page": page}
    if address is not None:
        channel = connect(parse_address(address), load_token(), ["head"])
        there, here = channel.sock.getpeername(), channel.sock.getsockname()
        channel.close()
        options |= {"head": there[:2], "host": host or here[0]}
    if block:
        options["parent"] = os.getpid()  # it ends with this command
    # Not our own output: a program that reads that to its end would wait
    # for the node's end as well.
    log = running.home() / "nodes.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as file:
        process, where = spawn_node(options, None if block else file)
    at = "{}:{}".format(*where)
    running.add(process.pid, address or at)
    click.echo(f"a node listens at {at} (process {process.pid})")
    if head:
        click.echo(f"join it:   minimr start --address {at}")
        click.echo(f"use it:    minimr.init(address={at!r})")
    if process.page:
        click.echo(f"see it:    {process.page}")
    if block:
        sys.exit(process.wait())


@click.command()
def stop() -> None:
    """End the nodes that `minimr start` has started on this machine."""
    ended = 0
    with running.clear() as nodes:
        for node in nodes:
            with suppress(ProcessLookupError):
                os.kill(node["pid"], signal.SIGTERM)
                ended += 1
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for node in nodes:
            _await_end(node, deadline)
    click.echo("1 node ended" if ended == 1 else f"{ended} nodes ended")


def _await_end(node: dict[str, Any], deadline: float) -> None:
    import select

    try:
        descriptor = os.pidfd_open(node["pid"])
    except OSError:
        return
    if node["born"] == running.born(node["pid"]):
        rest = max(0.0, deadline - time.monotonic())
        select.select([descriptor], [], [], rest)
    os.close(descriptor)


ADDRESS = click.option(
    "--address", default="auto", help="HOST:PORT of the head."
)


@click.command()
@ADDRESS
def status(address: str) -> None:
    """Show the nodes and what is in use."""
    init(address=address, log_to_driver=False)
    nodes = session().ask_head(Query("nodes"))
    for node in nodes:
        state, where = "alive" if node.alive else "dead", node.address
        click.echo(f"{state:6} {node.id[:8]}  {where[0]}:{where[1]}")
        if node.alive:
            for line in usage(node.total, node.available):
                click.echo(f"       {line}")
    if sum(node.alive for node in nodes) > 1:
        click.echo("all nodes")
        total, free = verbs.cluster_resources(), verbs.available_resources()
        for line in usage(total, free):
            click.echo(f"       {line}")
    shutdown()


def usage(total: dict[str, float], free: dict[str, float]) -> list[str]:
    """Return one line per resource: how much of it is in use."""
    lines = []
    for name in sorted(n for n in total if not n.startswith("node:")):
        have, used = total[name], total[name] - free.get(name, 0.0)
        if "memory" in name:
            lines.append(f"{used / GIB:.2f} / {have / GIB:.2f} GiB {name}")
        else:
            lines.append(f"{used:g} / {have:g} {name}")
    return lines


@click.command("list")
@click.argument(
    "what",
    type=click.Choice(["nodes", "workers", "actors", "tasks", "objects"]),
)
@ADDRESS
def list_(what: str, address: str) -> None:
    """List nodes, workers, actors, tasks or objects."""
    init(address=address, log_to_driver=False)
    # Here: starting a node needs none of it.
    state = importlib.import_module("minimr.util.state")
    rows = getattr(state, f"list_{what}")(limit=sys.maxsize)
    if what == "tasks":
        counts = Counter(row["name"] for row in rows)
        summary = ", ".join(f"{n}x {name}" for name, n in counts.items())
        click.echo(f"{len(rows)} tasks: {summary}")
    for row in rows[:100]:
        columns = row.asdict().items()
        click.echo("  ".join(f"{key}={value}" for key, value in columns))
    if len(rows) > 100:
        click.echo(f"... and {len(rows) - 100} more")
    shutdown()


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@ADDRESS
def timeline(file: str, address: str) -> None:
    """Write what ran where and when, for Perfetto or chrome://tracing."""
    init(address=address, log_to_driver=False)
    verbs.timeline(file)
    shutdown()
    click.echo(f"wrote {file}: open it in https://ui.perfetto.dev")
