"""`python -m benchmarks lab`: five nodes on one machine, or on five."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.common import tables
from benchmarks.lab import cgroups, engines, namespaces
from benchmarks.lab.ground import Usage
from benchmarks.lab.lab import Lab
from benchmarks.lab.plan import ENGINES, LabError, Plan
from minimr.cli.pages import serve
from minimr.cli.workers import read_hosts, side_by_side, worker_command

HEADS = ("node", "address", "link", "engines", "processes", "CPU s",
         "memory MB", "sent MB", "received MB")  # fmt: skip
HOME = "MINIMR_LAB"


class Group(click.Group):
    """Prints an error of the lab as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except LabError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Group)
@click.option(
    "--name", default="mrlab", show_default=True, help="Prefix of all names."
)
@click.pass_context
def lab(context: click.Context, name: str) -> None:
    """Make nodes, run programs in them, kill or disconnect them."""
    context.obj = name


def home(name: str) -> str:
    """Return where a lab keeps its files: $MINIMR_LAB, or ~/.minimr/lab."""
    chosen = os.environ.get(HOME) or Path.home() / ".minimr/lab"
    return str(Path(chosen).absolute() / name)


@lab.command()
@click.option("--nodes", default=5, show_default=True)
@click.option(
    "--cpu-share", type=click.FloatRange(min=0.01), help="Of a core, per node."
)
@click.option("--bandwidth", help="Of each link: 1gbit, 100mbit.")
@click.option(
    "--engine", default="both", type=click.Choice([*ENGINES, "none"])
)
@click.option("--cpus", default=1, show_default=True, help="Tasks at once.")
@click.option(
    "--hosts", type=click.File(), help="Lines of: ADDRESS [SSH-DESTINATION]"
)
@click.option("--loopback", is_flag=True, help="As without root.")
@click.option("--dry-run", is_flag=True, help="Print the commands only.")
@click.pass_obj
def up(name: str, /, dry_run: bool, **chosen: Any) -> None:
    """Make the nodes and start the engines; do nothing if all is there."""
    it = Lab(home(name), dry_run)
    plan = make_plan(name, **chosen)
    if it.journal.plan is not None and plan.ground == "loopback":
        plan = keep_ports(plan, it.journal.plan)
    done = it.up(plan)
    click.echo(plan.in_words() + ("" if done else ": it is up already"))
    for engine in plan.engines:
        click.echo(f"{engine}: {engines.address(plan, engine)}")


@lab.command()
@click.pass_obj
def status(name: str) -> None:
    """Show the nodes, their processes, and what they have used."""
    it = Lab(home(name))
    used = it.usage()
    notes = [] if it.journal.complete else ["incomplete: `lab up` again"]
    tables.show(
        it.plan.in_words(),
        HEADS,
        [
            _cells(node.name, node.address, used[node.name])
            for node in it.plan.all()
        ],
        notes,
    )


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(name: str, node: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in NODE, with its address, share and environment."""
    argv = Lab(home(name)).command(node, command)
    os.execvp(argv[0], argv)


@lab.command()
@click.option("--address", help="Where the run listens. [default: n1:7000]")
@click.option("--wait", "wait_s", default=60.0, show_default=True)
@click.pass_obj
def workers(name: str, address: str | None, wait_s: float) -> int:
    """Start a worker of `sockets` in every node, until the run ends."""
    it = Lab(home(name))
    where = address or engines.address(it.plan, "join")
    worker = worker_command(sys.executable, where, wait_s)
    nodes = [node.name for node in it.plan.all()]
    return side_by_side({node: it.command(node, worker) for node in nodes})


@lab.command()
@click.option("--engine", help="Whose cluster. [default: the first]")
@click.option("--port", default=0, help="Of the page; 0: any free one.")
@click.pass_obj
def show(name: str, engine: str | None, port: int) -> None:
    """Show the cluster, live, on a page with buttons for the nodes."""
    it = Lab(home(name))
    if not it.plan.engines:
        raise LabError("no engine runs in this lab: `lab up --engine minimr`")
    chosen = engine or it.plan.engines[0]
    if chosen not in it.plan.engines:
        raise LabError(f"{chosen!r} does not run here: {it.plan.engines}")
    stage = importlib.import_module("benchmarks.lab.show").LabStage(it, chosen)
    try:
        serve(stage, port)
    finally:
        stage.close()


@lab.command()
@click.pass_obj
def down(name: str) -> None:
    """Remove what `up` has made, even after a crash."""
    removed = Lab(home(name)).down()
    click.echo("removed" if removed else "there is no lab to remove")


def _on_node(function: Callable[[Lab, str], Any], text: str) -> None:
    @lab.command(function.__name__, help=text)
    @click.argument("node")
    @click.pass_obj
    def command(name: str, node: str) -> None:
        function(Lab(home(name)), node)


_on_node(Lab.kill, "Kill all processes of NODE at once, as in a power cut.")
_on_node(Lab.cut, "Disconnect NODE; its processes keep running.")
_on_node(Lab.slow, "Leave NODE a fifth of its CPU share.")
_on_node(Lab.heal, "Bring NODE back: its link, share and engines.")


def make_plan(name: str, hosts: Any = None, **chosen: Any) -> Plan:
    """Return the plan of a lab: hosts, else namespaces, else loopback."""
    engine = chosen.pop("engine", "both")
    chosen["engines"] = ENGINES.get(engine, ())
    loopback = chosen.pop("loopback", False)
    if hosts is not None:
        chosen |= {"ground": "hosts", "hosts": read_hosts(hosts.read())}
        why = "hosts have their own CPUs and links"
    else:
        why = "as asked for" if loopback else namespaces.why_not()
        chosen["ground"] = "loopback" if why else "namespaces"
        if why:
            chosen["ports"] = free_ports()
    if why:
        chosen |= {"cpu_share": None, "bandwidth": None, "without": why}
    elif chosen.get("cpu_share") is not None:
        try:
            cgroups.find()
        except LabError as error:
            chosen |= {"cpu_share": None, "without": str(error)}
    if chosen.get("bandwidth"):
        namespaces.burst_bytes(chosen["bandwidth"])
    return Plan(name=name, home=home(name), **chosen)


def free_ports() -> tuple[tuple[str, int], ...]:
    """Return free ports for heads that share a machine with others."""
    found = []
    for engine in engines.PORTS:
        with socket.socket() as probe:
            probe.bind(("127.77.0.1", 0))
            found.append((engine, probe.getsockname()[1]))
    return tuple(found)


def keep_ports(plan: Plan, known: Plan) -> Plan:
    """Return the plan with the ports of the lab that is up."""
    from dataclasses import replace

    return replace(plan, ports=known.ports)


def _cells(name: str, address: str, used: Usage) -> list[str]:
    running = [
        engine
        for engine, server in engines.SERVERS.items()
        if any(server in command for command in used.commands)
    ]
    cells = [name, address, "up" if used.link_is_up else "CUT"]
    cells += [", ".join(running) or tables.NOTHING, str(len(used.commands))]
    cells += [f"{used.cpu_seconds:.1f}", tables.megabytes(used.memory_bytes)]
    for count in (used.sent_bytes, used.received_bytes):
        cells.append(tables.NOTHING if count is None else f"{count / 1e6:.1f}")
    return cells
