"""The network that reads digits, and workers that train it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from minimr.datasets.digits import (
    Digits,
    gradient,
    load_digits,
    loss_and_accuracy,
    new_weights,
)
from minimr.interface.parameter_server import ServerStats
from minimr.shared.parameter_server.weights import check_weights
from minimr.training.digits import MODES, Look, Plan, Trained, train
from minimr.training.picture import draw
from minimr.training.workers import open_crew

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

QUICK = Plan(workers=2, seconds=0.2, pause_s=0, slow_pause_s=0.01)


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    digits = Digits(rng.random((5, 7)), rng.integers(10, size=5))
    # In double precision, where a small step shows.
    weights = {n: a.astype("f8") for n, a in new_weights(7, seed=1).items()}
    found = gradient(weights, digits)
    for name, slope in found.items():
        direction = rng.standard_normal(slope.shape)
        losses = []
        for step in (1e-6, -1e-6):
            moved = {**weights, name: weights[name] + step * direction}
            losses.append(loss_and_accuracy(moved, digits)[0])
        expected = (losses[0] - losses[1]) / 2e-6
        assert (slope * direction).sum() == pytest.approx(expected, abs=1e-6)


def test_a_gradient_can_be_pushed_as_it_is() -> None:
    digits, _ = load_digits()
    weights = new_weights(64, seed=0)
    found = check_weights(
        gradient(weights, digits), {n: a.shape for n, a in weights.items()}
    )
    assert found.keys() == weights.keys()


def test_no_image_is_both_learnt_from_and_tested_with() -> None:
    learnt, tested = load_digits()
    assert len(learnt.y) + len(tested.y) == 1797
    images = {image.tobytes() for image in learnt.x}
    assert not any(image.tobytes() in images for image in tested.x)
    parts = [learnt.part(number, 3) for number in range(3)]
    assert sum(len(part.y) for part in parts) == len(learnt.y)


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let matplotlib open the fonts that it never closes."""
    run = Trained("x", MODES[0], [1], ServerStats(), [Look(0, 1, 1)])
    draw(str(tmp_path_factory.mktemp("fonts") / "x.png"), [run], QUICK)


@pytest.mark.usefixtures("fonts")
@pytest.mark.parametrize("mode", MODES)
def test_a_network_learns_in_each_mode(mode: str, tmp_path: Path) -> None:
    with open_crew("serial", QUICK.workers) as crew:
        run = train("serial", mode, QUICK, crew)
    assert run.looks[-1].loss < run.looks[0].loss
    assert sum(run.rounds) == run.stats.pushes
    assert max(run.stats.lead) <= QUICK.consistency(mode).bound
    draw(str(tmp_path / "run.png"), [run], QUICK)
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_each_of_a_crew_gets_its_own_arguments() -> None:
    barrier = threading.Barrier(3, timeout=20)

    def work(number: int) -> int:
        barrier.wait()  # all at once, or not at all
        return number

    with open_crew("serial", 3) as crew:
        crew.start(work, [(1,), (2,), (3,)])
        assert crew.results() == [1, 2, 3]
        assert crew.done(0)


def test_what_a_worker_raises_is_raised_here() -> None:
    with open_crew("sockets", 1) as crew:
        crew.start(int, [("x",)])
        with pytest.raises(ValueError, match="invalid literal"):
            crew.results()
