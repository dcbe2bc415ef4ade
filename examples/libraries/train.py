"""A trainer: N workers run the same loop, and average their gradients.

Each worker learns from its shard of the rows. `context` tells it who it is,
has a mean over all workers, and takes reports. The result is that of one
process that sees all rows.

Watch: the loss of each round, the same in every worker. More workers take
       less time for a round as long as a shard takes longer than a mean.
From:  Learning Ray, chapter 1 (Ray Train).
Next:  let a worker die: restart all of them from a checkpoint that the
       first one reports.
"""

import asyncio
import time

import numpy as np

ROWS, COLUMNS, RATE = 20_000, 20, 0.1


class Meeting:
    """Where workers meet: each brings an array, and gets the mean of all."""

    def __init__(self, workers):
        self.workers = workers
        self.brought, self.mean = {}, None
        self.complete = asyncio.Condition()

    async def bring(self, rank, array):
        """Return the mean of this round. Blocks: until all have come."""
        async with self.complete:
            self.brought[rank] = array
            if len(self.brought) == self.workers:
                # In the order of ranks, so that the sum is always the same.
                arrays = [self.brought[r] for r in range(self.workers)]
                self.brought, self.mean = {}, np.mean(arrays, axis=0)
                self.complete.notify_all()
            else:
                await self.complete.wait()
            return self.mean


class Context:
    """What a worker's loop is given."""

    def __init__(self, ray, rank, world_size, meeting):
        self.rank, self.world_size = rank, world_size
        self.ray, self.meeting = ray, meeting
        self.reports = []

    def mean(self, array):
        """Return the mean over all workers. Blocks: until all ask for it."""
        return self.ray.get(self.meeting.bring.remote(self.rank, array))

    def report(self, metrics):
        """Note how it goes, for the trainer."""
        self.reports.append(metrics)


class Trainer:
    """Runs a loop in so many workers.

    Args:
        loop: is called with `config` and a `Context`.
    """

    def __init__(self, ray, loop, config, num_workers=2):
        self.ray, self.loop, self.config = ray, loop, config
        self.num_workers = num_workers

    def fit(self):
        """Return the reports of each worker. Blocks: until all have ended."""
        ray, size = self.ray, self.num_workers
        meeting = ray.remote(Meeting).remote(size)

        @ray.remote
        def work(loop, config, rank, meeting):
            context = Context(ray, rank, size, meeting)
            loop(config, context)
            return context.reports

        return ray.get(
            [
                work.remote(self.loop, self.config, rank, meeting)
                for rank in range(size)
            ]
        )


def data():
    """Return rows and what is to be predicted, with a little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, COLUMNS))
    return x, x @ rng.normal(size=COLUMNS) + rng.normal(0, 0.1, ROWS)


def gradient(x, y, weights):
    """Return the mean squared error, and half its gradient."""
    error = x @ weights - y
    return np.append(x.T @ error, error @ error) / len(y)


def learn(config, mean, shard=slice(None)):
    """Yield weights and the loss after each step."""
    x, y = (part[shard] for part in data())
    weights = np.zeros(COLUMNS)
    for _ in range(config["steps"]):
        *step, loss = mean(gradient(x, y, weights))
        weights = weights - RATE * np.array(step)
        yield {"loss": float(loss), "weights": weights.tolist()}


def loop(config, context):
    """Learn from every n-th row. Runs in: each worker."""
    shard = slice(context.rank, None, context.world_size)
    for report in learn(config, context.mean, shard):
        context.report(report)


def main(ray, full=False, *, workers=2):
    """Return the last loss of each worker."""
    assert ROWS % workers == 0, f"{ROWS} rows are no {workers} equal shards"
    config = {"steps": 200 if full else 20}
    begin = time.perf_counter()
    reports = Trainer(ray, loop, config, workers).fit()
    took = time.perf_counter() - begin
    for step, report in enumerate(reports[0][:5]):
        print(f"step {step}  loss {report['loss']:8.4f}")
    print(f"...      loss {reports[0][-1]['loss']:8.4f}  {took:.2f} s")

    *_, alone = learn(config, mean=lambda array: array)
    for mine in reports:
        close = np.allclose(mine[-1]["weights"], alone["weights"], atol=1e-9)
        assert close, "the workers have learnt something else than one does"
    return [mine[-1]["loss"] for mine in reports]
