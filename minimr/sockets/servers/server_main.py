"""The main program of a server process.

python -m minimr.sockets.servers.server_main ...   (see `ServerOptions`)
"""

from __future__ import annotations

import sys

from minimr.net.hub import Hub
from minimr.net.token import load_token
from minimr.shared.parameter_server.checkpoint import Checkpoint, load
from minimr.sockets.parameter_server import Server
from minimr.sockets.servers.server_processes import ServerOptions
from minimr.system import machine
from minimr.system.logs import narrate


def main(*arguments: str) -> None:
    """Be a server until the driver is gone."""
    options = ServerOptions.parse(list(arguments))
    driver = machine.watch(options.driver)
    if machine.parent() != options.driver:
        return  # it was gone before we looked
    listener = machine.socket(fileno=options.descriptor)
    size = options.max_frame_bytes
    hub = Hub(load_token(), "weights", ("", 0), size, listener)
    hub.watch_file(driver, lambda: machine.leave(0))
    path = options.checkpoint
    rounds = load(path) if path is not None and options.restore else None
    checkpoint = Checkpoint(path, options.checkpoint_interval_s)
    Server(hub, checkpoint, rounds).serve()


if __name__ == "__main__":
    narrate()
    main(*sys.argv[1:])
