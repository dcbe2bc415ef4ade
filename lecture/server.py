"""Shows the page on this machine, to who has its address.

    browser ── GET  /?token=...          ──> the page
            ── GET  /runs.json?token=... ──> what runs now, if it is live
            ── POST /press?token=...     ──> a button: {"verb", "target"}

Rules:

1. It listens at 127.0.0.1, and answers only who names it so (`Host`), comes
   from its own page or from nowhere (`Origin`), and has the token of its
   address. All others are refused before anything is looked up.
2. It reads, and changes nothing but by a button. Only its own page presses
   one: a request that says from nowhere, or is no JSON, is refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp import web

from lecture.page import Pair, html, shown
from lecture.stage import PressError, Stage
from lecture.trace import Run

HOST = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

MAX_PRESS_BYTES = 10_000

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves one page. Runs in: one thread, by an event loop.

    Args:
        stage: what it shows, and what its buttons do.
        port: to listen at; 0: any free one.
        pairs: files that the page shows beside each other.

    Attributes:
        address: of the page, with its token; "" before `start`.
    """

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        pairs: Sequence[Pair] = (),
    ) -> None:
        self._stage, self._port = stage, port
        self._pairs = pairs
        self._token = secrets.token_urlsafe(16)
        self._hosts: set[str] = set()
        self._asked = 0.0  # when somebody did, by the clock of the loop
        # One look at a time, however many ask; a button is pressed beside it.
        self._looking = ThreadPoolExecutor(1, "look")
        self._pressing = ThreadPoolExecutor(1, "press")
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is in use.
        """
        await self._listen(
            lambda runner: web.TCPSite(runner, HOST, self._port)
        )

    async def start_at(self, door: int, token: str) -> None:
        """Serve at a socket that listens already, for who has that token."""
        self._token = token
        sock = socket.socket(fileno=door)
        await self._listen(lambda runner: web.SockSite(runner, sock))

    async def idle(self, seconds: float) -> None:
        """Wait until nobody has asked for so long."""
        loop = asyncio.get_running_loop()
        while (rest := self._asked + seconds - loop.time()) > 0:
            await asyncio.sleep(rest)

    async def _listen(
        self, site: Callable[[web.AppRunner], web.BaseSite]
    ) -> None:
        app = web.Application(
            middlewares=[self._guard], client_max_size=MAX_PRESS_BYTES
        )
        app.router.add_get("/", self._page)
        app.router.add_get("/runs.json", self._runs)
        app.router.add_post("/press", self._press)
        self._asked = asyncio.get_running_loop().time()
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await site(self._runner).start()
        _, port = self._runner.addresses[0][:2]
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self.address = f"http://{HOST}:{port}/?token={self._token}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
        for threads in (self._looking, self._pressing):
            threads.shutdown(wait=False, cancel_futures=True)

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Handle
    ) -> web.StreamResponse:
        self._asked = asyncio.get_running_loop().time()
        why = self._refusal(request)
        if why:
            return web.Response(status=403, text=why, headers=HEADERS)
        try:
            answer = await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  it is told the browser
            text = f"{type(error).__name__}: {error}"
            return web.Response(status=503, text=text, headers=HEADERS)
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
        runs, now = await self._do(self._looking, self._now)
        text = html(runs, self._stage.live, self._pairs, now)
        return web.Response(text=text, content_type="text/html")

    async def _runs(self, request: web.Request) -> web.Response:
        runs, now = await self._do(self._looking, self._now)
        return web.json_response(shown(runs, self._stage.live, now))

    def _now(self) -> tuple[Sequence[Run], dict[str, Any]]:
        stage = self._stage
        now = {"state": stage.state(), "buttons": stage.buttons()}
        return stage.look(), now

    async def _press(self, request: web.Request) -> web.Response:
        if "Origin" not in request.headers:
            return web.Response(status=403, text="a button is pressed on it")
        if request.content_type != "application/json":
            return web.Response(status=415, text="a button is told as JSON")
        try:
            asked = json.loads(await request.text())
            verb, target = str(asked["verb"]), str(asked["target"])
        except (ValueError, TypeError, KeyError):
            text = 'a button is {"verb": .., "target": ..}'
            return web.Response(status=400, text=text)
        try:
            press = partial(self._stage.press, verb, target)
            story = await self._do(self._pressing, press)
        except PressError as error:
            return web.Response(status=409, text=str(error))
        return web.json_response({"story": story})

    async def _do(self, threads: ThreadPoolExecutor, what: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, what)
