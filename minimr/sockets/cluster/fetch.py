"""How a reduce task gets its blocks: from each map worker directly.

    request   to every source at once, so that all of them work
    receive   from one after the other, each block as soon as it is here

Connections are kept for the next reduce task. Ray hides this in the object
manager: a reference among the arguments of a task is pulled by its node.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from minimr.net.channel import Address, Channel, connect, shut_down
from minimr.sockets.cluster.messages import Fetch, Source


class FetchError(ConnectionError):
    """A source does not give its blocks.

    Attributes:
        source: the id of that worker.
    """

    def __init__(self, source: int, why: str) -> None:
        super().__init__(why)
        self.source = source


class Fetcher:
    """The reduce side of the shuffle.

    `lose` may be called from another thread; the rest belongs to one.
    """

    def __init__(self, token: bytes, timeout_s: float) -> None:
        self._token = token
        self._timeout_s = timeout_s
        self._channels: dict[int, Channel] = {}  # {worker: ...}
        self._dialled: dict[int, socket.socket] = {}  # ... from the start
        self._unread: set[int] = set()  # ... with blocks still under way
        self._lost: set[int] = set()  # workers that the coordinator gave up

    def request(
        self, job_id: int, partition: int, sources: Sequence[Source]
    ) -> None:
        """Ask every source for its blocks of a partition.

        Raises:
            FetchError: a source is gone.
        """
        for worker in list(self._unread):  # of a task that was cut short
            self._close(worker)
        for worker, address, map_tasks in sources:
            try:
                channel = self._channel(worker, address)
                # First: a cancel may end us while the request goes out.
                self._unread.add(worker)
                channel.send(Fetch(job_id, partition, map_tasks))
            except OSError as error:
                self._close(worker)
                raise FetchError(worker, str(error)) from error

    def receive(self, sources: Sequence[Source]) -> Iterator[bytes]:
        """Yield the requested blocks. Blocks: until each is here.

        Raises:
            FetchError: a source is gone, silent, or does not have them.
        """
        for worker, _, map_tasks in sources:
            try:
                for _ in map_tasks:
                    block = self._channels[worker].receive(self._timeout_s)
                    if block.data is None:
                        raise ConnectionError(
                            f"it does not have map task {block.map_task}"
                        )
                    yield block.data
            except OSError as error:
                self._close(worker)
                raise FetchError(worker, str(error)) from error
            self._unread.discard(worker)

    def lose(self, worker: int) -> None:
        """Stop waiting for a worker. Runs in: any thread."""
        self._lost.add(worker)
        sock = self._dialled.get(worker)
        if sock is not None:
            shut_down(sock)

    def _channel(self, worker: int, address: Address) -> Channel:
        def dialled(sock: socket.socket) -> None:
            self._dialled[worker] = sock
            if worker in self._lost:
                shut_down(sock)

        if worker not in self._channels and worker not in self._lost:
            self._channels[worker] = connect(
                address,
                self._token,
                ["blocks"],
                self._timeout_s,
                dialled=dialled,
            )
        if worker in self._lost:  # looked at last: `lose` may come any time
            raise ConnectionError("the coordinator has given it up")
        return self._channels[worker]

    def _close(self, worker: int) -> None:
        self._unread.discard(worker)
        self._dialled.pop(worker, None)
        channel = self._channels.pop(worker, None)
        if channel is not None:
            channel.close()
