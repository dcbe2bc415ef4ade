"""What the commands do with runs: a trace, a page as a file, a page served."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Sequence
from typing import Any

from minimr.cli.compare import pairs
from minimr.cli.console import note, say
from minimr.core.node.page import TOKEN
from minimr.system.files import atomic_writer

IDLE_S = 60.0  # nobody has looked for so long: who serves a door ends


def save(path: str, runs: Sequence[Any]) -> None:
    """Write runs as a trace, and say how they are shown."""
    with atomic_writer(path) as file:
        file.write(importlib.import_module("lecture.trace").write(runs))
    note(f"wrote {path}; to see it: minimr show {path}")


def save_page(path: str, runs: Sequence[Any]) -> None:
    """Write runs as a page that needs nothing else."""
    with atomic_writer(path) as file:
        html = importlib.import_module("lecture.page").html
        file.write(html(runs, pairs=pairs()))
    note(f"wrote {path}: open it in a browser")


def serve(stage: Any, port: int = 0, door: int | None = None) -> None:
    """Serve the page of a stage. Blocks: until Ctrl-C.

    Args:
        stage: what it shows, a `lecture.stage.Stage`.
        door: a socket that listens, of who has said the address already; it
            ends when nobody has looked for a while.

    Raises:
        OSError: the port is in use.
    """
    server = importlib.import_module("lecture.server")

    async def forever() -> None:
        page = server.Server(stage, port, pairs())
        try:
            if door is not None:
                await page.start_at(door, os.environ.pop(TOKEN))
                await page.idle(IDLE_S)
                return
            await page.start()
            say(page.address)
            note("the page of the run; Ctrl-C ends it")
            await asyncio.Event().wait()
        finally:
            await page.close()

    asyncio.run(forever())
