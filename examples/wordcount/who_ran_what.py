"""Who ran which task of a word count, on which node, and when: a picture.

The map and reduce tasks of `count_words`, each with a note of its node, its
process and its time as one more result. The notes go to the driver; the
buckets still go from task to task.

Watch: a row for each process, a bar with its number for each task. On five
       nodes (`--address`), the rows say where the engine has put the work. The
       first bar of a process is long: it imports what the task needs.
From:  the course's assignment: its figure of five nodes.
Next:  more map tasks than CPUs, and one book that is much longer than the
       others: what do the bars look like?
"""

import os
import time
from collections import Counter

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
    for kind, colour in ("map", "lightskyblue"), ("reduce", "orange"):
        bars = [note for note in notes if note[0].startswith(kind)]
        for task, node, process, begin, end in bars:
            place = begin - start, rows.index((node, process))
            axes.barh(
                place[1], end - begin, left=place[0], color=colour, ec="white"
            )
            axes.text(*place, task.split()[1], va="center", fontsize=8)
        axes.barh(0, 0, color=colour, label=kind)  # for the legend
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
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

    corpus = read_words(books, full)
    rows = [
        map_task.remote(f"map {m}", do_map_task, map_function, part, reduces)
        for m, part in enumerate(cut(corpus, maps))
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
    counts = {}
    for table in ray.get([table for table, _ in tables]):
        counts.update(table)
    assert counts == Counter(word.lower() for word in corpus), "lost words"
    return [task for task, *_ in notes]


def reduce_one(*buckets):
    """Return the counts of one column, as the only result."""
    return (do_reduce_task(reduce_function, *buckets),)
