"""Arguments that do not fit are refused at the call."""

from __future__ import annotations

from typing import Any

import pytest

from minimr.core.api.options import signature, stub


def plain(a: int, b: int = 2, *, c: int = 3) -> None: ...


def open_ended(*args: Any, **kwargs: Any) -> None: ...


def fits(function: Any, *args: Any, **kwargs: Any) -> bool:
    try:
        stub(signature(function), "f")(*args, **kwargs)
    except TypeError:
        return False
    return True


def test_what_python_would_take_is_taken() -> None:
    assert fits(plain, 1)
    assert fits(plain, 1, 2, c=4)
    assert fits(plain, b=1, a=2)
    assert fits(open_ended, 1, 2, x=3)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"d": 1})],
)
def test_what_python_would_refuse_is_refused(args: Any, kwargs: Any) -> None:
    assert not fits(plain, *args, **kwargs)


def test_the_error_names_the_function_and_the_argument() -> None:
    with pytest.raises(TypeError, match=r"f\(\).*'a'"):
        stub(signature(plain), "f")()
