"""A data library on tasks: lazy steps over blocks of rows, as Ray Data.

    blocks ─ steps ─> task per block ─ steps ─> task per block ─> rows
             stage                     stage: some blocks ahead of the next

A `Dataset` is a list of blocks and what is to be done with them. Nothing runs
before somebody asks for rows. Then each block is one task for all steps of a
stage together; only `sort` and `groupby` exchange rows between blocks. A
stage is at most `ahead` blocks ahead of who takes them, so that memory is
bounded however many blocks there are.
"""

import zlib
from bisect import bisect
from collections import Counter, deque
from functools import partial
from itertools import islice, pairwise

import numpy as np

AHEAD = 3  # blocks that a stage makes before somebody takes them


def run(block, steps):
    """Make a block, or take one, and do all steps with it."""
    rows = block() if callable(block) else block
    for step in steps:
        rows = step(rows)
    return list(rows)


def deal(rows, count, part_of):
    """Return the rows as so many lists: `part_of(row)` says which."""
    parts = [[] for _ in range(count)]
    for row in rows:
        parts[part_of(row)].append(row)
    return parts


def join(finish, *parts):
    """Return one block of what all blocks have dealt to it."""
    return finish([row for part in parts for row in part])


def in_batches(rows, function, size):
    """Yield rows of batches: columns go in, columns come out."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        names = batch[0].keys()
        made = function({n: np.array([r[n] for r in batch]) for n in names})
        for values in zip(*made.values(), strict=True):
            yield dict(zip(made, values, strict=True))


class Data:
    """Where datasets come from. `ray.data` has the same functions."""

    def __init__(self, ray, blocks=6):
        self.ray, self.blocks = ray, blocks

    def from_items(self, items):
        """Return a dataset of rows, or of values that become `item`."""
        rows = [i if isinstance(i, dict) else {"item": i} for i in items]
        size = -(-len(rows) // self.blocks) or 1
        parts = [rows[i : i + size] for i in range(0, len(rows), size)]
        return Dataset(self.ray, parts)

    def range(self, stop):
        """Return a dataset of the numbers below `stop`, as `id`."""
        edges = [stop * i // self.blocks for i in range(self.blocks + 1)]

        def ids(begin, end):
            yield from ({"id": number} for number in range(begin, end))

        parts = [partial(ids, *part) for part in pairwise(edges)]
        return Dataset(self.ray, parts)

    def read_text(self, paths):
        """Return a dataset of the lines of files, as `text`."""

        def lines(path):
            with open(path) as file:
                yield from ({"text": line.rstrip("\n")} for line in file)

        return Dataset(self.ray, [partial(lines, path) for path in paths])


class Dataset:
    """Blocks, and what is to be done with them.

    `stages` take references to blocks and yield others; `steps`, of which
    each takes rows and gives rows, come after these.
    """

    def __init__(self, ray, blocks, stages=(), steps=()):
        self.ray, self.blocks = ray, blocks
        self.stages, self.steps = stages, steps

    def then(self, step):
        """Return this dataset after one more step. Nothing runs."""
        steps = (*self.steps, step)
        return Dataset(self.ray, self.blocks, self.stages, steps)

    def map(self, function):
        """Replace each row."""
        return self.then(lambda rows: map(function, rows))

    def filter(self, function):
        """Keep rows that the function says yes to."""
        return self.then(lambda rows: filter(function, rows))

    def flat_map(self, function):
        """Replace each row by several, or none."""
        return self.then(lambda rows: (n for r in rows for n in function(r)))

    def map_batches(self, function, batch_size=1024):
        """Replace columns of rows, as arrays."""
        return self.then(lambda rows: in_batches(rows, function, batch_size))

    def overlap(self, ahead=AHEAD):
        """Return it with what follows as a stage of its own."""
        call, steps = self.ray.remote(run), self.steps

        def stage(blocks):
            made = deque()
            for block in blocks:
                made.append(call.remote(block, steps))
                if len(made) > ahead:
                    yield made.popleft()
            yield from made

        return Dataset(self.ray, self.blocks, (*self.stages, stage))

    def exchange(self, plan, finish):
        """Deal rows anew: `plan(blocks, count)` returns who gets which."""
        ray = self.ray

        def stage(blocks):
            blocks = list(blocks)  # all of them: only now there is a plan
            count = max(2, len(blocks))
            cut = ray.remote(deal).options(num_returns=count)
            part_of = plan(blocks, count)
            dealt = [cut.remote(block, count, part_of) for block in blocks]
            for column in zip(*dealt, strict=True):
                yield ray.remote(join).remote(finish, *column)

        cut = self.overlap()
        return Dataset(ray, self.blocks, (*cut.stages, stage))

    def sort(self, key, descending=False):
        """Sort by a column: samples say which block gets which values."""
        sample = self.ray.remote(lambda rows: [row[key] for row in rows[::20]])

        def plan(blocks, count):
            samples = self.ray.get([sample.remote(b) for b in blocks])
            seen = sorted(value for part in samples for value in part)
            bounds = seen[:: max(1, -(-len(seen) // count))][1:]
            if descending:
                return lambda row: len(bounds) - bisect(bounds, row[key])
            return lambda row: bisect(bounds, row[key])

        def finish(rows):
            return sorted(rows, key=lambda r: r[key], reverse=descending)

        return self.exchange(plan, finish)

    def groupby(self, key):
        """Return groups of rows with the same value."""
        return Groups(self, key)

    def stream(self):
        """Yield references to the blocks that come out, a few ahead."""
        blocks = self.blocks
        for stage in self.overlap().stages:
            blocks = stage(blocks)
        return blocks

    def iter_rows(self):
        """Yield all rows. Blocks: until the next block is there."""
        for block in self.stream():
            yield from self.ray.get(block)

    def take(self, limit=20):
        """Return the first rows. Later blocks are never made."""
        return list(islice(self.iter_rows(), limit))

    def show(self, limit=20):
        """Print the first rows."""
        for row in self.take(limit):
            print(row)

    def count(self):
        """Return the number of rows. Only numbers come to the driver."""
        counted = self.then(lambda rows: [sum(1 for _ in rows)])
        return sum(counted.iter_rows())


class Groups:
    """Rows with the same value of a column are together in one block."""

    def __init__(self, dataset, key):
        self.dataset, self.key = dataset, key

    def count(self):
        """Return a dataset of each value, and how many rows have it."""
        key = self.key

        def plan(blocks, count):
            return lambda row: zlib.crc32(repr(row[key]).encode()) % count

        def finish(rows):
            found = Counter(row[key] for row in rows)
            return [{key: one, "count()": n} for one, n in found.items()]

        return self.dataset.exchange(plan, finish)
