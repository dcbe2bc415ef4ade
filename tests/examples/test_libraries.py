"""The libraries on six verbs beside Ray's own: the same program on both.

Each needs what `pip install -e '.[libraries]'` installs, and says so.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.command import equal
from examples.libraries import dataset, pool, train, tune
from examples.libraries._dataset import Data

pytestmark = [
    pytest.mark.timeout(240),
    # Ray's libraries warn of their own future, and leave files open.
    pytest.mark.filterwarnings("ignore"),
]
Engines = dict[str, Any]


@pytest.fixture
def minimr(engines: Engines) -> Any:
    return engines["minimr"]


def test_the_same_datasets_give_the_same_rows(minimr: Any) -> None:
    data = pytest.importorskip("ray.data", exc_type=ImportError)
    paths = [dataset.__file__] * 2
    ours = dataset.program(Data(minimr), paths)
    assert equal(dataset.program(data, paths), ours)


@pytest.mark.parametrize("blocks", [1, 2, 5, 50])
def test_datasets_do_not_depend_on_their_blocks(
    minimr: Any, blocks: int, tmp_path: Path
) -> None:
    data, empty = Data(minimr, blocks), tmp_path / "empty"
    empty.touch()
    rows = data.from_items([{"a": i % 7, "b": i} for i in range(30)])
    assert data.range(30).count() == rows.count() == 30
    down = rows.sort("b", descending=True)
    assert [row["b"] for row in down.take(40)] == [*reversed(range(30))]
    counts = rows.groupby("a").count().sort("a").take()
    assert [row["count()"] for row in counts] == [5, 5, 4, 4, 4, 4, 4]
    assert data.read_text([empty]).sort("text").count() == 0
    batches = data.range(10).map_batches(lambda b: {"n": b["id"] + 1}, 3)
    assert [row["n"] for row in batches.take(2)] == [1, 2]


def test_nothing_runs_before_rows_are_wanted(
    minimr: Any, tmp_path: Path
) -> None:
    def note(row: Any) -> Any:
        (tmp_path / str(row["id"])).touch()
        return row

    noted = Data(minimr, 20).range(20).map(note)
    assert [*tmp_path.iterdir()] == []
    assert noted.take(1) == [{"id": 0}]
    assert len([*tmp_path.iterdir()]) < 20  # and not all blocks for one row


def test_a_trainer_learns_what_rays_own_learns(
    minimr: Any, engines: Engines, tmp_path: Path
) -> None:
    pytest.importorskip("ray.train", exc_type=ImportError)
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    def loop(config: Any) -> None:
        import torch
        from ray import train as real

        context = real.get_context()
        size = context.get_world_size()

        def mean(array: Any) -> Any:
            total = torch.from_numpy(array)
            torch.distributed.all_reduce(total)
            return (total / size).numpy()

        shard = slice(context.get_world_rank(), None, size)
        *_, last = train.learn(config, mean, shard)
        told.write_text(str(last["loss"]))  # the same in all

    told, config = tmp_path / "loss", {"steps": 10}
    TorchTrainer(
        loop,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(storage_path=str(tmp_path)),
    ).fit()
    ours = train.Trainer(minimr, train.loop, config, 2).fit()
    assert np.isclose(float(told.read_text()), ours[0][-1]["loss"])


def test_a_search_finds_what_rays_own_finds(
    minimr: Any, engines: Engines, tmp_path: Path
) -> None:
    real = pytest.importorskip("ray.tune", exc_type=ImportError)
    from ray.tune.schedulers import ASHAScheduler

    def trainable(config: Any) -> None:
        from ray import tune as real

        for score in tune.objective(config):
            real.report({"score": score})

    space = {"x": [0.3, 0.8], "y": [0.6]}
    tuner = real.Tuner(
        trainable,
        param_space={name: real.grid_search(v) for name, v in space.items()},
        tune_config=real.TuneConfig(
            metric="score",
            mode="max",
            scheduler=ASHAScheduler(max_t=27, reduction_factor=3),
        ),
        run_config=real.RunConfig(storage_path=str(tmp_path), verbose=0),
    )
    theirs = tuner.fit().get_best_result()
    trials = tune.Tuner(minimr, tune.objective).run(
        tune.grid(space), tune.ASHA()
    )
    ours = max(trials, key=lambda trial: trial.scores[-1])
    assert ours.config == theirs.config
    assert ours.scores[-1] == theirs.metrics["score"]


def test_asha_stops_what_is_not_among_the_best() -> None:
    asha = tune.ASHA(factor=3)
    assert [asha.goes_on(3, score) for score in (5, 4, 6, 7, 1)] == [
        *(True, False, True, True, False)
    ]
    assert asha.goes_on(2, 0)  # not at a rung


def test_a_model_is_served_as_by_rays_own(engines: Engines) -> None:
    real = pytest.importorskip("ray.serve", exc_type=ImportError)
    serve = pytest.importorskip("examples.libraries.serve")

    @real.deployment(num_replicas=2)
    class Reader:
        @real.batch(max_batch_size=8, batch_wait_timeout_s=0.02)
        async def __call__(self, texts: list[str]) -> Any:
            return serve.Reader()(texts)

    texts = [f"{i} words" * (i % 3) for i in range(20)]
    real.start(proxy_location="Disabled")
    try:
        handle = real.run(Reader.bind(), route_prefix=None)
        asked = [handle.remote(text) for text in texts]
        theirs = [answer.result(timeout_s=60) for answer in asked]
    finally:
        real.shutdown()
    deployment = serve.Deployment(engines["minimr"], serve.Reader)
    ask = deployment.replicas[0].ask.remote
    ours = engines["minimr"].get([ask(text) for text in texts])
    deployment.stop()
    assert ours == theirs


def test_a_replica_answers_in_batches_and_does_not_wait_for_ever() -> None:
    serving = pytest.importorskip("examples.libraries._serving")

    async def ask() -> Any:
        replica = serving.Replica(lambda: list, batch=3, wait_s=0.01)
        answers = await asyncio.gather(*map(replica.ask, range(7)))
        return answers, await replica.sizes()

    assert asyncio.run(ask()) == ([*range(7)], [3, 3, 1])


@pytest.mark.parametrize("chunksize", [1, 7, 100])
def test_a_pool_gives_what_pythons_own_gives(
    minimr: Any, chunksize: int
) -> None:
    numbers = range(20)
    # Not fork: this process has threads.
    with multiprocessing.get_context("spawn").Pool(1) as theirs:
        wanted = theirs.map(pool.is_prime, numbers, chunksize)
        powers = theirs.starmap(pow, [(2, 3), (3, 2)], chunksize)
    with pool.Pool(minimr, 2) as ours:
        assert ours.map(pool.is_prime, numbers, chunksize) == wanted
        assert ours.starmap(pow, [(2, 3), (3, 2)], chunksize) == powers
        assert ours.apply(pow, (2, 4)) == 16
        some = ours.imap_unordered(pool.is_prime, numbers, chunksize)
        assert sorted(some) == sorted(wanted)
