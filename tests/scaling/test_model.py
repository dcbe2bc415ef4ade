"""The model of what is in the middle finds costs again, and predicts."""

from __future__ import annotations

import pytest

from benchmarks.scaling.model import Costs, Sample, fit

COSTS = Costs(task=1e-4, block=2e-6, fixed=1e-3, head=5e-5, news=1e-5)


def sample(nodes: int, maps: int, reduces: int) -> Sample:
    driver = COSTS.driver(maps, reduces)
    head = COSTS.at_head(nodes, maps + reduces)
    return Sample(nodes, maps, reduces, driver, head)


def test_the_costs_that_made_the_samples_are_found_again() -> None:
    sizes = [(3, 40, 5), (3, 160, 5), (3, 160, 80), (12, 320, 5)]
    found = fit([sample(*size) for size in sizes])
    for name in ("task", "block", "fixed", "head", "news"):
        wanted = getattr(COSTS, name)
        assert getattr(found, name) == pytest.approx(wanted, rel=1e-6)


def test_no_cost_is_less_than_nothing() -> None:
    falling = [Sample(3, 10, 1, 0.02, 0.1), Sample(12, 400, 40, 0.01, 0.1)]
    found = fit(falling)
    assert min(found.task, found.block, found.fixed, found.news) >= 0


def test_blocks_grow_with_the_square_of_the_nodes() -> None:
    blocks = Costs(task=0.0, block=1e-6, fixed=0.0, head=0.0, news=0.0)
    assert blocks.central(10, 3, 2) == pytest.approx(30 * 20 * 1e-6)
    assert blocks.central(100, 3, 2) == pytest.approx(300 * 200 * 1e-6)


def test_the_busier_of_driver_and_head_decides() -> None:
    assert COSTS.central(2, 1, 1) == COSTS.driver(2, 2)
    assert COSTS.central(500, 1, 0) == COSTS.at_head(500, 500)


def test_the_limit_is_the_last_number_of_nodes_that_work_hides() -> None:
    limit = COSTS.limit(10.0, 12, 4)
    assert COSTS.central(limit, 12, 4) <= 10.0
    assert COSTS.central(limit + 1, 12, 4) > 10.0
