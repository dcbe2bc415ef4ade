"""What is left out says so, and what to use, however it is asked for."""

from __future__ import annotations

import importlib.util

import pytest

import minimr
import minimr.util
from minimr.core.api.left_out import LEFT_OUT
from minimr.core.process.records import Entry, ObjectRef, References

METHODS = [name for name in LEFT_OUT if ".RuntimeContext." in name]


@pytest.mark.parametrize("name", [n for n in LEFT_OUT if n not in METHODS])
def test_what_is_left_out_says_so_however_it_is_asked_for(name: str) -> None:
    *packages, last = name.split(".")
    module = ".".join(["minimr", *packages])
    says = f"minimr leaves ray.{name} out: "
    with pytest.raises(AttributeError, match=says):
        getattr(importlib.import_module(module), last)
    with pytest.raises(ImportError, match=says):
        exec(f"from {module} import {last}")
    with pytest.raises(ModuleNotFoundError, match=says):
        exec(f"import {module}.{last}")
    with pytest.raises(ModuleNotFoundError, match=says):
        importlib.util.find_spec(f"{module}.{last}")
    with pytest.raises(ImportError, match=says):
        exec(f"from {module}.{last} import anything")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_left_out_says_so(name: str) -> None:
    context = minimr.get_runtime_context()
    with pytest.raises(AttributeError, match=f"leaves ray.{name} out: "):
        getattr(context, name.rpartition(".")[2])


def test_a_reference_says_what_it_has() -> None:
    ref = ObjectRef(Entry(b"id", None, None, References(("127.0.0.1", 1))))
    assert not hasattr(ref, "job_id")
    assert not ref.is_nil()
    with pytest.raises(AttributeError, match=r"no 'job_id' in .* task_id\(\)"):
        ref.job_id  # noqa: B018


def test_a_name_that_nobody_has_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="'minimr' has no attribute 'x'"):
        minimr.x  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'x'"):
        exec("from minimr.util import x")
    with pytest.raises(ModuleNotFoundError, match=r"named 'minimr\.x'"):
        importlib.import_module("minimr.x")
