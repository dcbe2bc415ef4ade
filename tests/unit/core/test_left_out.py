"""What is left out says so, and what to use, however it is asked for."""

from __future__ import annotations

import importlib

import pytest

import minimr
import minimr.util
from minimr.core.api.left_out import LEFT_OUT


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_says_so_however_it_is_asked_for(name: str) -> None:
    *packages, last = name.split(".")
    module = ".".join(["minimr", *packages])
    says = f"minimr leaves ray.{name} out: "
    with pytest.raises(AttributeError, match=says):
        getattr(importlib.import_module(module), last)
    with pytest.raises(ImportError, match=says):
        exec(f"from {module} import {last}")
    with pytest.raises(ImportError, match=says):
        exec(f"import {module}.{last}")
    with pytest.raises(ImportError, match=says):
        exec(f"from {module}.{last} import anything")


def test_a_name_that_nobody_has_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="'minimr' has no attribute 'x'"):
        minimr.x  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'x'"):
        exec("from minimr.util import x")
    with pytest.raises(ModuleNotFoundError, match=r"named 'minimr\.x'"):
        importlib.import_module("minimr.x")
