"""The process of a node, and of the workers forked from it.

    python -m minimr.system.keeper minimr.core.node.main \
        '{"resources": ..., "head": ...}'

When the head knows of it, it writes its address, its process id and the
address of the page as one line of JSON: from then on, tasks can go there. It
serves until the driver that started it, or the head, is gone. Whoever of the
two processes ends first, no descendant of a worker outlives both.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
from typing import Any

from minimr.core.control.store import Control
from minimr.core.node.node import OF_HEAD, Node
from minimr.core.node.object_store import Store
from minimr.core.node.page import Page
from minimr.core.node.worker_pool import Worker
from minimr.core.process import ending
from minimr.core.process.current import set_current
from minimr.core.process.executor import Executor
from minimr.core.process.runtime import Runtime
from minimr.net.channel import Address
from minimr.net.token import load_token
from minimr.system import machine
from minimr.system.keeper import KEEPER, end_all_children
from minimr.system.logs import narrate

TERMINATED = "it was told to end (SIGTERM, by `minimr stop`?)"
WARM_S = 0.5  # after the start, which it would make longer

log = logging.getLogger(__name__)


def serve(options: dict[str, Any]) -> str:
    """Be a node until it is over; say why. Runs in: a process of its own."""
    machine.adopt_orphans()
    # A node has a descriptor for each connection, and each worker as well.
    machine.allow_files()
    token = load_token()
    address = (options.get("host", "127.0.0.1"), options.get("port", 0))

    def worker_main(born: Worker) -> None:
        narrate("worker ", node.id)
        run_worker(token, node.address, born)

    amounts = options["resources"]
    directories = options.get("spill_directory"), options.get("directory")
    store = Store(options["store_bytes"], *directories)
    labels, head = options.get("labels", {}), options.get("head")
    if head is None:
        amounts[OF_HEAD] = 1.0
    node = Node(token, address, amounts, store, labels, worker_main)
    narrate("node ", node.id)
    node.driver = options.get("driver")  # when `init` started this cluster
    parent = options.get("parent")
    keeper = os.environ.pop(KEEPER, None)
    for other in (parent, keeper):
        if other is not None:
            _end_with(node, int(other))
    page = ""
    if head is None:
        node.hub.kind = "head"  # so that its callers know it
        if options.get("page"):
            page = Page(
                node.address,
                watch=node.hub.watch_file,
                unwatch=node.hub.unwatch_file,
                children=node.workers.others,
            ).address
        Control(node, node.info(), page)

    def terminated(*signal: Any) -> None:  # at any point of any function
        node.ending = node.ending or TERMINATED
        node.hub.wake()

    machine.on_signal(signal.SIGTERM, terminated)

    def begin() -> None:
        line = json.dumps([*node.address, machine.pid(), page])
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        machine.end_output()
        node.begin()
        node.later(WARM_S, warm)

    if head is None:
        begin()
    else:
        node.join(tuple(head), begin)
    while node.ending is None:
        node.step()
    node.farewell(node.ending)
    while node.workers.workers:
        node.step()
    return node.ending


def _end_with(node: Node, process: int) -> None:
    gone = machine.watch(process)

    def ended() -> None:
        node.hub.unwatch_file(gone)  # it stays readable
        node.stop(f"process {process} is gone")

    node.hub.watch_file(gone, ended)


def warm() -> None:
    """Import what some workers need that are forked later.

    Nested tasks and async actors do. It is slower than a fork, so it is done
    here: once, while nobody waits.
    """
    for name in ("asyncio", "minimr.core.api.verbs"):  # no code of the node's
        importlib.import_module(name)
    machine.freeze()  # see `WorkerPool`


def run_worker(token: bytes, node: Address, born: Worker) -> None:
    """Be a worker. Runs in: a fork of the node."""
    machine.on_signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(dict(born.env))
    runtime = Runtime("worker", token, node[0])
    runtime.process = born.process
    runtime.home, runtime.env = node, born.env
    set_current(runtime)
    working = Executor(runtime, born.progress)
    runtime.attach(node)
    runtime.pump.start()
    ending.end(working, working.run())


def main(options: str) -> None:
    """Be a node, as JSON says which. Runs in: a process of its own."""
    narrate("node ")
    try:
        why = serve(json.loads(options))
    except OSError as error:  # the process that started us reads it
        sys.stdout.write(json.dumps({"error": error.strerror}) + "\n")
        raise
    log.info("the node ends: %s", why)
    # The process that started us reads this if it read no address.
    sys.stdout.write(json.dumps({"error": why}) + "\n")
    sys.stdout.flush()
    end_all_children()
    machine.leave(0)


if __name__ == "__main__":
    main(sys.argv[1])
