"""Values to bytes and back."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest

from minimr.core.serialization import (
    as_failed,
    load,
    pack,
    read,
    stored_size,
    write,
)
from minimr.exceptions import RayTaskError


def test_what_was_laid_out_is_read_back_in_place_and_read_only() -> None:
    value = {"a": np.arange(1000), "b": [np.ones(7, np.float32), "text"]}
    packed = pack(value)
    memory = memoryview(bytearray(stored_size(packed)))
    write(memory, packed)
    found = read(memory.toreadonly())
    assert (found["a"] == value["a"]).all()
    assert found["b"][1] == "text"
    assert np.shares_memory(found["a"], np.frombuffer(memory, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        found["a"][0] = 1


def test_a_lambda_goes_by_value() -> None:
    packed = pack(lambda x: x + 1)
    assert pickle.loads(packed.data)(1) == 2


def test_an_error_that_cannot_be_pickled_keeps_its_text() -> None:
    class OddError(Exception):
        def __reduce__(self) -> str:
            raise TypeError("never")

    cause = OddError("broken")
    error = pickle.loads(as_failed(RayTaskError("f", "trace", cause)).error)
    assert isinstance(error, RayTaskError)
    assert "broken" in str(error.cause)


def test_who_has_caught_an_error_has_nothing_to_collect() -> None:
    """The error was in a circle, with all that who asked had."""
    asked: list[weakref.ref[np.ndarray]] = []  # type: ignore[type-arg]

    def ask() -> None:
        mine = np.ones(7)
        asked.append(weakref.ref(mine))
        with pytest.raises(KeyError):
            load(as_failed(KeyError("it")))

    gc.disable()
    try:
        ask()
        assert asked[0]() is None
    finally:
        gc.enable()
