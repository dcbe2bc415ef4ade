"""What a generator yields, sent at once; and held back, if it is asked to.

    worker: yield ─> Yielded(number) ──> owner
                  <── Taken(items) ──── next()

Rule: a generator with back-pressure goes on only when fewer items than it
may be ahead have not been taken. Meanwhile its CPU goes back, or its event
loop goes on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minimr.core import messages as m
from minimr.core.process.runtime import Runtime
from minimr.core.process.task_io import Results
from minimr.net.peer import Peer

GRACE_S = 0.002  # a shorter wait does not give a CPU back


class Yields:
    """Sends what generators yield, for one worker."""

    def __init__(self, runtime: Runtime, results: Results) -> None:
        self.runtime = runtime
        self.results = results
        self._taken: dict[bytes, int] = {}  # of each generator that is held
        self._wake: dict[bytes, Callable[[], Any]] = {}  # those in a loop
        runtime.serve(m.Taken.to(self._on_taken))

    def _on_taken(self, peer: Peer, taken: m.Taken) -> None:
        self._taken[taken.id] = taken.items
        if taken.id in self._wake:
            self._wake[taken.id]()

    async def all(self, peer: Peer, push: m.Push, items: Any) -> int:
        """Send all items as they come; return how many.

        Awaits: a generator that is asynchronous, and room in a loop.
        Blocks: for room, in other threads.
        """
        id, ahead, number = push.id, -1 - push.returns, 0
        try:
            if inspect.isasyncgen(items):
                async for item in items:
                    number += 1
                    self.results.item(peer, id, number, item)
                    if ahead:
                        await self._room(id, number - ahead)
            else:
                for number, item in enumerate(items, 1):
                    self.results.item(peer, id, number, item)
                    if ahead:
                        await self._room(id, number - ahead)
        finally:
            self._taken.pop(id, None)
            self._wake.pop(id, None)
        return number

    async def _room(self, id: bytes, least: int) -> None:
        """Wait until more than so many items were taken."""
        import asyncio  # only now: most workers never need it

        def ready() -> bool:
            return self._taken.get(id, 0) > least

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pump = self.runtime.pump
            if not pump.wait(ready, GRACE_S):
                with self.runtime.blocked(True):
                    pump.wait(ready)
            return
        woken, wake = asyncio.Event(), loop.call_soon_threadsafe
        self._wake[id] = lambda: wake(woken.set)
        while not ready():
            await woken.wait()
            woken.clear()
