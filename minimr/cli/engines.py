"""The engines of one command: joined or started, run, and closed.

names ─> join: those that have a cluster ─> how many workers there are
            └─> run, one after the other: the failure of one is printed, and
                the results of the others stay
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import click

from minimr.cli.console import note, number_of
from minimr.interface.mapreduce import JobError, MapReduce
from minimr.ladder import (
    LADDER,
    RENAMED,
    EngineError,
    Options,
    check_options,
    default_workers,
    open_engine,
    renamed,
    running,
    size_of,
)
from minimr.net.channel import Address, parse_address
from minimr.net.token import TokenError

FAILURES = (EngineError, TokenError, JobError, OSError)
LOCAL = "local"


def host_port(
    ctx: click.Context, option: click.Parameter, value: str | None
) -> Address | None:
    """Parse an option. Raises: BadParameter: it is not HOST:PORT."""
    try:
        return None if value is None else parse_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _address(
    ctx: click.Context, option: click.Parameter, value: str | None
) -> str | None:
    if value != LOCAL:
        host_port(ctx, option, value)
    return value


class Names(click.ParamType[list[str]]):
    """Some of the known names, with commas, or `all` of them."""

    name = "NAME,..."

    def __init__(self, known: Sequence[str]) -> None:
        self._known = tuple(known)

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> list[str]:
        """Return the names; the error for an old one says the new one."""
        if isinstance(value, list):  # converted already
            return value
        if value == "all":
            return list(self._known)
        names = list(dict.fromkeys(value.split(",")))
        for name in names:
            if name in RENAMED:
                self.fail(renamed(name), param, ctx)
            if name not in self._known:
                known = ", ".join(self._known)
                self.fail(f"{name!r} is none of {known}, all", param, ctx)
        return names


def some_of(
    option: str, known: Sequence[str], default: str, of: str = ""
) -> Callable[..., Any]:
    """Return an option that takes some of these names.

    Args:
        of: what it is an option of, if not of the whole command.
    """
    return click.option(
        option,
        type=Names(known),
        default=default,
        show_default=True,
        help=f"{of}Some of {', '.join(known)}; all: each in turn.",
    )


ADDRESS = click.option(
    "--address",
    callback=_address,
    metavar="HOST:PORT",
    help="Of the cluster that minimr or ray joins; local: they start "
    "one. [default: the cluster that runs here, else local]",
)


LISTENER = click.option(
    "--address",
    required=True,
    callback=host_port,
    metavar="HOST:PORT",
    help="Where the run listens: its `--listen`.",
)


class Engines:
    """Opens and closes the engines that a command runs on.

    Args:
        names: of engines.
        workers: of an engine that is started; None: one per core, or the
            cluster that runs here.
        address: of a cluster to join; "local": none; None: the one that
            runs here.
        listen: where workers may join `sockets`.

    Attributes:
        workers: of the largest engine.
        failed: the names of those that failed.

    Raises:
        EngineError: an option does not fit the only engine.
    """

    def __init__(
        self,
        names: list[str],
        workers: int | None,
        address: str | None,
        listen: Address | None,
    ) -> None:
        self._names, self._alone = names, len(names) == 1
        self._given = None if address == LOCAL else address
        self._listen = listen
        # A number of workers asks for processes of our own, not a cluster.
        self._looks = address is None and workers is None
        self.workers = self._own_workers = workers or default_workers()
        self.failed: list[str] = []
        self._open: dict[str, tuple[MapReduce, float]] = {}
        self._stack = ExitStack()
        if self._alone:
            check_options(names[0], self._options(self._given, listen))

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def join(self) -> None:
        """Join the clusters, and count their workers.

        Raises:
            ConnectionError: no engine has a cluster at the address.
        """
        refused: dict[str, Exception] = {}
        for name in self._names:
            if LADDER[name].option != "address":
                continue
            try:
                where = self._address(name)
                if where is not None:
                    self._join(name, where)
            except FAILURES as error:
                refused[name] = error
        for name, why in refused.items():
            if self._alone or (self._given and not self._open):
                raise why
            note(f"minimr: {name} is not joined, and left out: {why}")
            if not self._given:  # else it is the address of another engine
                self.failed.append(name)
        self._names = [name for name in self._names if name not in refused]
        sizes = [size_of(engine)[1] for engine, _ in self._open.values()]
        if len(sizes) == len(self._names):  # none starts workers of its own
            self.workers = max(sizes)
        else:
            self.workers = max(self._own_workers, *sizes, 1)

    def run(
        self, name: str, work: Callable[[str, MapReduce, float], None]
    ) -> None:
        """Run the work on an engine, and close that.

        Args:
            name: of the engine; one that could not be joined is skipped.
            work: called with the name, the engine, and how many seconds
                its start took.
        """
        if name not in self._names:
            return
        try:
            if name not in self._open:
                self._start(name, None)
            engine, startup = self._open.pop(name)
            with engine:
                work(name, engine, startup)
        except FAILURES as error:
            if self._alone:
                raise
            why = "the job has failed: " if isinstance(error, JobError) else ""
            note(f"minimr: {name}: {why}{error}")
            self.failed.append(name)

    def _address(self, name: str) -> Address | None:
        if self._given is not None:
            return parse_address(self._given)
        return running(name) if self._looks else None

    def _join(self, name: str, where: Address) -> None:
        engine = self._start(name, where)
        nodes, cpus = size_of(engine)
        note(
            f"{name} has joined the cluster at {where[0]}:{where[1]}: "
            f"{number_of(nodes, 'node')}, {number_of(cpus, 'CPU')}"
        )

    def _start(self, name: str, where: Address | None) -> MapReduce:
        begin = time.perf_counter()
        listens = LADDER[name].option == "listen"
        listen = self._listen if listens else None
        engine = open_engine(name, self._options(where, listen))
        self._open[name] = engine, time.perf_counter() - begin
        self._stack.callback(engine.close)
        if listen is not None:
            at = "{}:{}".format(*engine.address)
            note(f"workers join with: minimr worker --address {at}")
        return engine

    def _options(
        self, address: Address | str | None, listen: Address | None
    ) -> Options:
        if isinstance(address, str):
            address = parse_address(address)
        return Options(self._own_workers, address, listen)
