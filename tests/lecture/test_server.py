"""The server of the page: who gets in, and who does not."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from lecture.server import Server
from tests.lecture.runs import with_a_death

TIMEOUT = aiohttp.ClientTimeout(total=20)


def ask(
    path: str = "/",
    token: str | None = None,
    method: str = "GET",
    **headers: str,
) -> tuple[int, str, Any]:
    """Ask a server of one run: the status, the text, the headers."""

    async def talk() -> tuple[int, str, Any]:
        server = Server(lambda: [with_a_death()])
        await server.start()
        base, _, right = server.address.partition("/?token=")
        given = right if token is None else token
        url = f"{base}{path}" + (f"?token={given}" if given else "")
        sent = {k: v.replace("OWN", base) for k, v in headers.items()}
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.request(method, url, headers=sent) as answer,
        ):
            told = answer.status, await answer.text(), answer.headers
        await server.close()
        return told

    return asyncio.run(talk())


def test_who_has_the_address_gets_the_page() -> None:
    status, text, headers = ask()
    assert status == 200
    assert "<canvas" in text
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_page_asks_for_the_runs_from_its_own_address() -> None:
    status, text, _ = ask("/runs.json", Origin="OWN")
    assert status == 200
    (run,) = json.loads(text)["runs"]
    assert run["about"]["engine"] == "minimr"


@pytest.mark.parametrize("path", ["/", "/runs.json", "/other"])
@pytest.mark.parametrize("token", ["", "wrong", "\u00e4"])
def test_nobody_gets_in_without_the_token(path: str, token: str) -> None:
    status, text, _ = ask(path, token)
    assert status == 403
    assert "token" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "elsewhere.example"},  # a name that leads to 127.0.0.1
        {"Host": "127.0.0.1:1"},
    ],
)
def test_another_page_gets_nothing_even_with_the_token(
    headers: dict[str, str],
) -> None:
    assert ask("/runs.json", **headers)[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read(method: str) -> None:
    assert ask(method=method)[0] == 405


def test_it_listens_on_this_machine_only() -> None:
    async def where() -> str:
        server = Server(lambda: [with_a_death()])
        await server.start()
        await server.close()
        return server.address

    assert asyncio.run(where()).startswith("http://127.0.0.1:")


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(list, port=taken.getsockname()[1])

        async def start() -> None:
            try:
                await server.start()
            finally:
                await server.close()

        with pytest.raises(OSError, match="in use"):
            asyncio.run(start())
