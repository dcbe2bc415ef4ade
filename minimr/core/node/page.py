"""The page of a cluster: the head listens, and the first visit starts it.

    browser ── connects ──> the head's port at 127.0.0.1, which waits
                              │ `minimr show`, handed that port
    browser <── the page ─────┘ it ends when nobody has looked for a while

So a cluster that nobody looks at pays for one socket. The address has a
token, which the head makes, and hands over in the environment: a command
line can be read by all users of the machine.

Ray: the dashboard, a process of the head that runs from the beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from minimr.net.channel import Address
from minimr.system import machine

HOST = "127.0.0.1"
TOKEN = "MINIMR_PAGE_TOKEN"  # a name, not a token

log = logging.getLogger(__name__)


class Page:
    """Waits for visitors. Runs in: the head, in its node's thread.

    Args:
        head: its address, to be joined by who answers.
        watch: calls a function when a descriptor can be read.
        unwatch: does so no longer.
        children: processes of the head that are none of its workers.

    Attributes:
        address: of the page, with its token.
    """

    def __init__(
        self,
        head: Address,
        *,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        children: set[int],
    ) -> None:
        self._head = "{}:{}".format(*head)
        self._watch, self._unwatch = watch, unwatch
        self._children = children
        self._door = machine.listen((HOST, 0))
        self._token = machine.random_bytes(16).hex()
        port = self._door.getsockname()[1]
        self.address = f"http://{HOST}:{port}/?token={self._token}"
        self._wait()

    def _wait(self) -> None:
        self._watch(self._door.fileno(), self._visited)

    def _visited(self) -> None:
        door = self._door.fileno()
        self._unwatch(door)
        program = ["minimr", "show", "--address", self._head]
        program += ["--door", str(door)]
        process = machine.start(
            program, {TOKEN: self._token}, descriptors=[door]
        )
        self._children.add(process.pid)
        ended = machine.watch(process.pid)

        def over() -> None:
            self._unwatch(ended)
            machine.close(ended)
            self._children.discard(process.pid)
            code = process.wait()
            if code == 0:
                self._wait()
            else:  # it would fail again, for each visitor
                log.warning(
                    "the page of this cluster has ended with code %d, and is "
                    "not shown any more; `minimr show` may say why",
                    code,
                )

        self._watch(ended, over)
