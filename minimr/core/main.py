"""The process of a node, and of the workers forked from it.

    python -m minimr.core.main '{"resources": ..., "head": ...}'

It writes its address as one line of JSON, and serves until the driver that
started it, or the head, is gone.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import signal
import sys
from typing import Any

from minimr.core import messages as m
from minimr.core.context import set_executor
from minimr.core.control import Control
from minimr.core.endpoint import Endpoint
from minimr.core.executor import Executor
from minimr.core.node import Node
from minimr.core.runtime import Runtime, set_current
from minimr.net.channel import Address
from minimr.net.peer import Peer
from minimr.net.token import load_token

log = logging.getLogger(__name__)


def serve(options: dict[str, Any]) -> None:
    """Be a node until it is over. Runs in: a process of its own."""
    token = load_token()
    host = options.get("host", "127.0.0.1")

    def worker_main(env: Any, progress: mmap.mmap) -> None:
        run_worker(token, node.address, env, progress)

    node = Node(
        token,
        host,
        options["resources"],
        options["store_bytes"],
        worker_main,
        options.get("port", 0),
    )
    driver = options.get("driver")
    if driver:
        _end_with_driver(node, driver)
    head = options.get("head")
    if head is None:
        Control(node)
    sys.stdout.write(json.dumps(node.address) + "\n")
    sys.stdout.flush()
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    node.join(tuple(head) if head else node.address)
    while True:
        node.step()


def _end_with_driver(node: Node, pid: int) -> None:
    """A cluster that `init` started ends when its driver does."""
    descriptor = os.pidfd_open(pid)
    node.hub.watch_file(descriptor, lambda: node.stop("the driver is gone"))
    hello = node.handlers[m.Hello]

    def on_hello(peer: Peer, message: m.Hello) -> None:
        hello(peer, message)
        if message.kind == "driver" and message.pid == pid:
            node.driver = peer

    node.handlers[m.Hello] = on_hello


def run_worker(
    token: bytes, node: Address, env: Any, progress: mmap.mmap
) -> None:
    """Be a worker. Runs in: a fork of the node."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(dict(env))
    runtime = Runtime("worker", token, node[0])
    runtime.home = node
    set_current(runtime)
    executor = Executor(runtime, progress)
    set_executor(executor)
    runtime.handlers[m.Job] = lambda peer, job: set_job(runtime, job)
    with runtime.lock:
        link = runtime.link(node)
    runtime.attach(link)
    runtime.pump.start()
    executor.run()


def set_job(endpoint: Endpoint, job: m.Job) -> None:
    """See modules and files as the driver of this job does."""
    if endpoint.job is not None:
        return
    endpoint.job = job
    sys.path[:] = [*job.sys_path]
    directory = os.environ.get("MINIMR_WORKING_DIR") or job.directory
    if os.path.isdir(directory):
        os.chdir(directory)
    if "MINIMR_WORKING_DIR" in os.environ:
        sys.path.insert(0, directory)


def main() -> None:
    """Read the options from the command line."""
    level = os.environ.get("MINIMR_LOG", "warning").upper()
    logging.basicConfig(level=level)
    try:
        serve(json.loads(sys.argv[1]))
    except SystemExit as end:
        log.info("the node ends: %s", end)
        os._exit(0)
    except OSError as error:  # who started us reads one line
        sys.stdout.write(json.dumps({"error": error.strerror}) + "\n")
        raise


if __name__ == "__main__":
    main()
