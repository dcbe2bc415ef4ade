"""Workers that are killed, stopped and fed with rubbish, one engine a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from minimr.net.token import VARIABLE
from tests.faults.play import Play


@pytest.fixture(scope="session", autouse=True)
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if VARIABLE not in os.environ:
            path = tmp_path_factory.mktemp("token") / "token"
            patch.setenv(VARIABLE, str(path))
        yield


@pytest.fixture
def start() -> Iterator[Any]:
    """Start plays; whatever is left of them ends with the test."""
    plays: list[Play] = []

    def start_play(*arguments: Any, **options: Any) -> Play:
        plays.append(Play(*arguments, **options))
        return plays[-1]

    yield start_play
    for play in plays:
        play.close()
