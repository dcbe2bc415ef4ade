"""Every program runs on both engines, is right, and gives the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from examples.command import equal
from examples.listing import programs
from minimr.ladder import WITH_VERBS

pytestmark = pytest.mark.timeout(240)  # the first one starts both engines
Results = Callable[[str, str], Any]


@pytest.mark.parametrize("engine", WITH_VERBS)
@pytest.mark.parametrize("name", programs())
def test_a_program_is_right(
    name: str, engine: str, result_of: Results
) -> None:
    """It raises an AssertionError if it is not."""
    result = result_of(name, engine)
    assert (result is not None) is programs()[name].is_compared


@pytest.mark.parametrize("name", programs())
def test_both_engines_give_the_same(name: str, result_of: Results) -> None:
    one, *others = (result_of(name, engine) for engine in WITH_VERBS)
    assert all(equal(one, other) for other in others)
