"""Shows the page on this machine, to who has its address.

    browser ── GET /?token=...          ──> the page
            ── GET /runs.json?token=... ──> what runs now, if it is live

Rules:

1. It listens at 127.0.0.1, and answers only who names it so (`Host`), comes
   from its own page or from nowhere (`Origin`), and has the token of its
   address. All others are refused before anything is looked up.
2. It reads, and changes nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from lecture.page import Pair, html, shown
from lecture.trace import Run

HOST = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Look = Callable[[], Sequence[Run]]
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves one page. Runs in: one thread, by an event loop.

    Args:
        look: returns the runs as they are now; may block.
        live: the page asks again, once a second.
        port: to listen at; 0: any free one.
        pairs: files that the page shows beside each other.

    Attributes:
        address: of the page, with its token; "" before `start`.
    """

    def __init__(
        self,
        look: Look,
        live: bool = False,
        port: int = 0,
        pairs: Sequence[Pair] = (),
    ) -> None:
        self._look, self._live, self._port = look, live, port
        self._pairs = pairs
        self._token = secrets.token_urlsafe(16)
        self._hosts: set[str] = set()
        self._looking = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is in use.
        """
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._page)
        app.router.add_get("/runs.json", self._runs)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        _, port = self._runner.addresses[0][:2]
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self.address = f"http://{HOST}:{port}/?token={self._token}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Handle
    ) -> web.StreamResponse:
        why = self._refusal(request)
        if why:
            return web.Response(status=403, text=why, headers=HEADERS)
        answer = await handler(request)
        answer.headers.update(HEADERS)
        return answer

    def _refusal(self, request: web.Request) -> str:
        origin = request.headers.get("Origin")
        token = request.query.get("token", "")
        if request.headers.get("Host") not in self._hosts:
            return "this page is at another address"
        if origin is not None and (
            origin.removeprefix("http://") not in self._hosts
        ):
            return "another page asks"
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return "the address lacks the token that was printed with it"
        return ""

    async def _page(self, request: web.Request) -> web.Response:
        text = html(await self._now(), self._live, self._pairs)
        return web.Response(text=text, content_type="text/html")

    async def _runs(self, request: web.Request) -> web.Response:
        told: dict[str, Any] = shown(await self._now(), self._live)
        return web.Response(
            text=json.dumps(told), content_type="application/json"
        )

    async def _now(self) -> Sequence[Run]:
        async with self._looking:  # one at a time, however many ask
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, self._look)
