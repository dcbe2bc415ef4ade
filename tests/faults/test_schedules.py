"""Many random schedules: every result exact, none beyond the bound."""

from __future__ import annotations

import os

import pytest

from tests.faults.schedules import play_all, slowest

NUMBER = int(os.environ.get("MINIMR_SCHEDULES", "6"))


@pytest.mark.timeout(60 + 6 * NUMBER)
def test_random_schedules_of_killed_and_stalled_workers_change_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = list(play_all(NUMBER))
    with capsys.disabled():
        print(f"\nthe slowest of {NUMBER}: {slowest(outcomes)}")  # noqa: T201
    assert [each for each in outcomes if not each.exact] == []
    late = [str(each) for each in outcomes if each.seconds > each.bound_s]
    assert late == []
    assert sum(len(each.faults) for each in outcomes) >= NUMBER
