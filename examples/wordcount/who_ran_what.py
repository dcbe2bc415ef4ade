"""Who ran which task of a word count, on which node, and when: a picture.

The map and reduce tasks of `count_words`, each with a note of its node, its
process and its time as one more result. The notes go to the driver; the
buckets still go from task to task.

Watch: a row for each process, a bar for each task. On five nodes
       (`--address`), the rows say where the engine has put the work.
From:  the course's assignment: its figure of five nodes.
Next:  more map tasks than CPUs, and one book that is much longer than the
       others: what do the bars look like?
"""

import os
import time

from examples.wordcount.count_words import (
    cut,
    do_map_task,
    do_reduce_task,
    map_function,
    read_words,
    reduce_function,
)


def draw(notes, path):
    """Draw a bar for each (task, node, process, begin, end)."""
    from matplotlib.figure import Figure  # here: no worker needs it

    rows = sorted({(node, process) for _, node, process, _, _ in notes})
    start = min(begin for _, _, _, begin, _ in notes)
    axes = Figure(figsize=(9, 1 + 0.4 * len(rows))).add_subplot()
    for task, node, process, begin, end in notes:
        row = rows.index((node, process))
        color = "tab:blue" if task.startswith("map") else "tab:orange"
        axes.barh(row, end - begin, left=begin - start, color=color)
        axes.text(begin - start, row, task, va="center", fontsize=7)
    labels = [f"node {node}, process {process}" for node, process in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_xlabel("seconds")
    axes.figure.savefig(path, bbox_inches="tight")


def main(ray, full=False, *, books="", maps=8, reduces=2, out=None):
    """Return which tasks ran."""

    def noted(task, function, *args):
        begin = time.time()
        result = function(*args)
        node = ray.get_runtime_context().get_node_id()[:6]
        return *result, (task, node, os.getpid(), begin, time.time())

    run = ray.remote(noted)
    map_task = run.options(num_returns=reduces + 1)
    reduce_task = run.options(num_returns=2)

    rows = [
        map_task.remote(f"map {m}", do_map_task, map_function, part, reduces)
        for m, part in enumerate(cut(read_words(books, full), maps))
    ]
    *columns, map_notes = zip(*rows, strict=True)
    tables = [
        reduce_task.remote(f"reduce {r}", reduce_one, *column)
        for r, column in enumerate(columns)
    ]
    notes = ray.get([*map_notes, *(note for _, note in tables)])

    for task, node, process, begin, end in sorted(notes, key=lambda n: n[3]):
        print(f"{task:9} node {node}, process {process}  {end - begin:.2f} s")
    draw(notes, out / "who_ran_what.png")
    return [task for task, *_ in notes]


def reduce_one(*buckets):
    """Return the counts of one column, as the only result."""
    return (do_reduce_task(reduce_function, *buckets),)
