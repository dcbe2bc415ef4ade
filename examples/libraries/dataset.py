"""Datasets: steps over blocks of rows, nothing runs until rows are wanted.

Words of a text are counted, and numbers are squared in batches, by a library
of one file on six verbs (`_dataset.py`); the same program runs on `ray.data`.
Then blocks go through two stages that overlap: the second works on a block
while the first makes the next ones, a few ahead or all of them.

Watch: how many blocks wait between the stages: in the first run a bounded
       number, in the second one nearly all. The time is about the same.
From:  Learning Ray, chapter 1.
Next:  add `union` and `mean`. What would `take` have to do to make only the
       blocks that it needs?
"""

import time
from collections import Counter

from examples.libraries._dataset import AHEAD, Data


def program(data, paths):
    """Return what a few datasets give. `data` is `Data`, or `ray.data`."""
    words = data.read_text(paths).flat_map(
        lambda row: [{"word": word} for word in row["text"].split()]
    )
    counts = words.groupby("word").count().sort("count()", descending=True)
    odd = data.range(100).filter(lambda row: row["id"] % 2)
    squares = odd.map_batches(lambda batch: {"square": batch["id"] ** 2})
    items = data.from_items([3, 1, 2]).map(lambda r: {"x": 10 * r["item"]})
    return {
        "words": words.count(),
        "top": [row["count()"] for row in counts.take(3)],
        "squares": [int(row["square"]) for row in squares.take(4)],
        "sorted": [row["x"] for row in items.sort("x").take()],
    }


def main(ray, full=False, *, blocks=24, seconds=0.01):
    """Return what the datasets give."""
    seconds = 10 * seconds if full else seconds
    paths = [__file__] * 4
    result = program(Data(ray), paths)
    with open(__file__) as file:
        words = Counter(file.read().split())
    assert result["words"] == 4 * words.total(), "words were lost"
    assert result["top"] == [4 * n for _, n in words.most_common(3)]

    def load(row):
        time.sleep(seconds)
        return {"loaded": time.time()}

    def use(row):
        time.sleep(seconds)
        return {**row, "used": time.time()}

    for ahead in 2, blocks:
        begin = time.perf_counter()
        stages = Data(ray, blocks).range(blocks).map(load).overlap(ahead)
        rows = list(stages.map(use).iter_rows())  # one of each block
        took = time.perf_counter() - begin
        waiting = max(
            sum(one["loaded"] <= at["loaded"] < one["used"] for one in rows)
            for at in rows
        )
        print(f"{ahead:2} ahead: at most {waiting:2} blocks, {took:.2f} s")
        assert waiting <= ahead + AHEAD + 2, "that is too much memory"
    return result
