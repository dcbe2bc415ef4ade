"""A page that is served while something runs, and who reads it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lecture.server import Server
from lecture.stage import Stage


@contextmanager
def served(stage: Stage) -> Iterator[str]:
    """Serve a stage from a thread; give the address of its page."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    server = Server(stage)
    call(server.start())
    try:
        yield server.address
    finally:
        call(server.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
