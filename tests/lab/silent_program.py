"""Two ends of connections that will be cut: `serve`, or dial ADDRESS PORT.

Each writes a line once a connection has ended at its end, and how.
"""

from __future__ import annotations

import sys
import threading
import time

from minimr.net import channel
from minimr.net.events import Joined, Left
from minimr.net.hub import Hub

TOKEN = bytes(range(32))
RUN = "run"
DEADLINE_S = 60.0


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def serve(host: str) -> None:
    """Wait for two; answer nothing, and say who has left."""
    hub = Hub(TOKEN, RUN, (host, 0))
    say(hub.address[1])
    open_ends = joined = 0
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until and (open_ends or not joined):
        for event in hub.poll(1.0):
            open_ends += isinstance(event, Joined)
            joined += isinstance(event, Joined)
            if isinstance(event, Left):
                open_ends -= 1
                say("left:", event.why)


def dial(host: str, port: int) -> None:
    """Have an idle connection, and one on which there is always more."""
    idle = channel.connect((host, port), TOKEN, [RUN])
    busy = channel.connect((host, port), TOKEN, [RUN])

    def wait() -> None:
        try:
            idle.receive()
        except OSError as error:
            say("idle:", error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        busy.send("begun")
        say("begun")
        for _ in range(int(DEADLINE_S / 0.1)):
            time.sleep(0.1)
            busy.send("more")
    except OSError as error:
        say("busy:", error)
    waiting.join(DEADLINE_S)


if __name__ == "__main__":
    channel.SILENCE_S = 5
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        dial(sys.argv[2], int(sys.argv[3]))
