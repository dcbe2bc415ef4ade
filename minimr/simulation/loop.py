"""The event loops of asyncio, on simulated files and the virtual clock.

    asyncio.run(...), new_event_loop() ── Policy ──> Loop
    Loop ── select ──> the simulated selector

What a thread pool of a loop runs, runs in simulated threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from minimr.simulation.world import World
from minimr.system import machine

THREADS = 8  # of `asyncio.to_thread`, for each loop


class Loop(asyncio.SelectorEventLoop):
    """An event loop of a simulated process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool: Any = None
        super().__init__(machine.selector())

    def __del__(self, *warn: object) -> None:
        """Do nothing: a process that is killed closes no loop."""

    def time(self) -> float:
        """Return the virtual time."""
        return self._world.now

    def run_forever(self) -> None:
        """Run until it is stopped, or its process ends."""
        try:
            super().run_forever()
        finally:
            for task in asyncio.all_tasks(self):  # of a process that ended
                task._log_destroy_pending = False  # type: ignore[attr-defined]

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run a function in a simulated thread."""
        if executor is None:
            executor = self._pool = self._pool or machine.pool(THREADS, "loop")
        future = executor.submit(func, *args)
        return asyncio.wrap_future(future, loop=self)

    def _make_self_pipe(self) -> None:
        self._ssock, self._csock = machine.socketpair()
        self._ssock.setblocking(False)
        self._csock.setblocking(False)
        self._internal_fds: int = 1
        self._add_reader(  # type: ignore[attr-defined]
            self._ssock.fileno(),
            self._read_from_self,  # type: ignore[attr-defined]
        )


class Policy(asyncio.DefaultEventLoopPolicy):
    """Makes such loops."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._loop_factory = lambda: Loop(world)
