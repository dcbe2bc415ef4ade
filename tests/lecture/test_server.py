"""The server of the page: who gets in, and who does not."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from lecture.server import Server
from lecture.stage import Button, Stage
from tests.lecture.runs import with_a_death

TIMEOUT = aiohttp.ClientTimeout(total=20)


class Bell(Stage):
    """A stage with one button."""

    rung = 0

    def _acts(self) -> list[tuple[Button, Callable[[], str]]]:
        return [(Button("ring", "the bell"), self._ring)]

    def _ring(self) -> str:
        self.rung += 1
        return "it rings"


def ask(
    path: str = "/",
    token: str | None = None,
    method: str = "GET",
    stage: Stage | None = None,
    body: str | None = None,
    **headers: str,
) -> tuple[int, str, Any]:
    """Ask a server of one run: the status, the text, the headers."""

    async def talk() -> tuple[int, str, Any]:
        server = Server(stage or Stage([with_a_death()]))
        await server.start()
        base, _, right = server.address.partition("/?token=")
        given = right if token is None else token
        url = f"{base}{path}" + (f"?token={given}" if given else "")
        sent = {k: v.replace("OWN", base) for k, v in headers.items()}
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.request(method, url, headers=sent, data=body) as answer,
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


JSON = {"Content-Type": "application/json"}
RING = json.dumps({"verb": "ring", "target": "the bell"})


def press(body: str = RING, **headers: str) -> tuple[int, str, int]:
    """Press a button: the status, the text, how often the bell rang."""
    bell = Bell([with_a_death()])
    told = ask("/press", method="POST", stage=bell, body=body, **headers)
    return told[0], told[1], bell.rung


def test_a_button_is_pressed_by_its_own_page() -> None:
    status, text, rung = press(Origin="OWN", **JSON)
    assert (status, rung) == (200, 1)
    assert json.loads(text) == {"story": "it rings"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON, 403),  # no browser: it would say where it comes from
        ({"Origin": "http://elsewhere.example", **JSON}, 403),
        ({"Origin": "null", **JSON}, 403),
        # what a form of another page may send without being asked first
        ({"Origin": "OWN", "Content-Type": "text/plain"}, 415),
    ],
)
def test_a_stranger_presses_nothing(
    headers: dict[str, str], status: int
) -> None:
    assert press(**headers)[::2] == (status, 0)
    told = {"Origin": "OWN", **JSON}
    bell = Bell()
    for token in ("", "wrong"):
        asked = ask("/press", token, "POST", bell, RING, **told)
        assert asked[0] == 403
    assert ask("/press", None, "GET", bell)[0] == 405
    assert bell.rung == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("[]", 400),
        ('{"verb": "ring"}', 400),
        ('{"verb": "ring", "target": "another"}', 409),
        (json.dumps({"verb": "ring", "target": "x" * 20_000}), 413),
    ],
)
def test_there_are_no_buttons_but_those_that_are_offered(
    body: str, status: int
) -> None:
    assert press(body, Origin="OWN", **JSON)[::2] == (status, 0)


def test_a_run_that_is_over_has_no_buttons() -> None:
    told = ask("/runs.json", Origin="OWN")
    assert json.loads(told[1])["buttons"] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read(method: str) -> None:
    assert ask(method=method)[0] == 405


def test_it_listens_on_this_machine_only() -> None:
    async def where() -> str:
        server = Server(Stage([with_a_death()]))
        await server.start()
        await server.close()
        return server.address

    assert asyncio.run(where()).startswith("http://127.0.0.1:")


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(Stage(), port=taken.getsockname()[1])

        async def start() -> None:
            try:
                await server.start()
            finally:
                await server.close()

        with pytest.raises(OSError, match="in use"):
            asyncio.run(start())
