"""What is read along on a connection: names, and nothing that is run."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from minimr.net.codec import encode
from minimr.simulation.story import Stranger, Unpickler


class Trap:
    """Makes a folder when it is unpickled as usual."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


def read(message: Any) -> Any:
    head, *buffers = encode(message)
    return Unpickler(io.BytesIO(head), buffers=buffers).load()


def test_what_a_message_names_is_not_called(tmp_path: Path) -> None:
    trap = Trap(tmp_path / "made")
    (name, stranger) = read(("Push", trap))
    assert name == "Push"
    assert type(stranger).__name__ == "mkdir"
    assert not (tmp_path / "made").exists()


def test_any_value_can_be_read_past() -> None:
    values = [np.ones(10_000), {1: {2}}, Path("a"), ValueError("b"), "c"]
    *strangers, text = read(values)
    assert text == "c"
    assert isinstance(strangers[0], Stranger)
    assert strangers[1] == {1: {2}}
