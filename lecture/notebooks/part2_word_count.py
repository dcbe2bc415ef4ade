# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Part 2: count the words of a library on five nodes

You write the four functions of MapReduce, and the driver that runs them on a
cluster. Wherever it says `YOUR CODE HERE`, the code is yours. Then check it:

    minimr check part2 part2_word_count.ipynb
"""

# %% tags=["parameters"]
ENGINE = "minimr"  # or "ray": the same program on Ray itself
BOOKS = "mr_txt"  # a folder of texts: minimr corpus gutenberg --to mr_txt
M, R = 10, 4  # map tasks, reduce tasks (2 or more)
QUICK = True  # ten books, and 6 counts at the end: False for all, and 15

# %% [markdown]
"""
## The cluster

`init` joins the cluster that runs on this machine. If there is none, it
starts one, of this machine alone.
"""

# %%
import importlib
import time
from collections import Counter
from pathlib import Path
from zlib import crc32

from matplotlib import pyplot

from lecture.runs import keep

ray = importlib.import_module(ENGINE)
ray.init(ignore_reinit_error=True)

# %%
GIB = 2**30
have = ray.cluster_resources()
nodes = sum(node["Alive"] for node in ray.nodes())
print(f"nodes: {nodes}, CPUs: {have['CPU']:g}")
print(f"memory: {have['memory'] / GIB:.1f} GiB")
print(f"object store: {have['object_store_memory'] / GIB:.1f} GiB")

# %% [markdown]
"""
## The words

All words of all books, in one list. A word is what stands between white
space; large and small letters make no difference.
"""

# %%
files = sorted(Path(BOOKS).glob("*.txt"))[: 10 if QUICK else None]
if not files:
    raise FileNotFoundError(
        f"no texts are in {BOOKS}: minimr corpus gutenberg --to {BOOKS}"
    )
words = [
    word
    for file in files
    for word in file.read_text("utf-8-sig", errors="replace").split()
]
print(f"{len(words):,} words in {len(files)} files of {BOOKS}")

# %% [markdown]
"""
## Task 1 and 2: map

`map_function` says what is counted: it yields a pair `(word, 1)` for every
word, **in lower case**.

`do_map_task` is a task of the cluster. It returns a list of R buckets, which
are lists of such pairs. All pairs of a word have to go to the same bucket, in
every map task: so the number of the bucket must be the same in every process.
(Is `hash` of a string? Try it in two terminals.) It does not add anything up:
that is the work of reduce.
"""


# %%
def map_function(words):
    """Yield a pair (word, 1) for every word, in lower case."""
    ### BEGIN SOLUTION
    for word in words:
        yield word.lower(), 1
    ### END SOLUTION


@ray.remote
def do_map_task(map_function, words, num_buckets):
    """Return the pairs of some words, in a list for each bucket."""
    ### BEGIN SOLUTION
    buckets = [[] for _ in range(num_buckets)]
    for word, one in map_function(words):
        buckets[crc32(word.encode()) % num_buckets].append((word, one))
    return buckets
    ### END SOLUTION


# %% [markdown]
"""
## Task 3 and 4: reduce

`do_reduce_task` is given one bucket of every map task. It first groups the
ones in a table, `{"whale": [1, 1, 1]}`, and then calls `reduce_function` once
for each word, which returns the pair `("whale", 3)`. It returns a dictionary,
`{word: count}`.
"""


# %%
def reduce_function(word, ones):
    """Return a word and how often it is there, from the list of its ones."""
    ### BEGIN SOLUTION
    return word, sum(ones)
    ### END SOLUTION


@ray.remote
def do_reduce_task(reduce_function, *buckets):
    """Return {word: count} of all pairs in these buckets."""
    ### BEGIN SOLUTION
    table = {}
    for bucket in buckets:
        for word, one in bucket:
            table.setdefault(word, []).append(one)
    return dict(reduce_function(word, ones) for word, ones in table.items())
    ### END SOLUTION


# %% [markdown]
"""
## The driver

1. Cut the words into M pieces of nearly the same size. Mind the remainder:
   23 words in 4 pieces are 23 words.
2. Start a map task for each piece, all at once. With `num_returns=R` a call
   gives R references, one for each bucket.
3. Start R reduce tasks: number r is given bucket r of every map task, as
   references. The driver never gets a bucket itself.
4. Get the R outputs, and make one table of them.
"""


# %%
def as_they_come(refs):
    """Yield the results as the tasks end, and show how many have."""
    waiting = list(refs)
    while waiting:
        done, waiting = ray.wait(waiting)
        bar = "█" * (len(refs) - len(waiting)) + "·" * len(waiting)
        print(f"\r{bar} {bar.count('█')} of {len(refs)}", end="")
        yield ray.get(done[0])
    print()


def count_words(words, M, R):
    """Return {word: count}, by M map tasks and R reduce tasks."""
    ### BEGIN SOLUTION
    cuts = [len(words) * m // M for m in range(M + 1)]
    pieces = [words[cuts[m] : cuts[m + 1]] for m in range(M)]
    map_task = do_map_task.options(num_returns=R)
    rows = [map_task.remote(map_function, piece, R) for piece in pieces]
    columns = [[row[r] for row in rows] for r in range(R)]
    outputs = [
        do_reduce_task.remote(reduce_function, *column) for column in columns
    ]
    counts = {}
    for output in as_they_come(outputs):
        counts.update(output)
    return counts
    ### END SOLUTION


# %% [markdown]
"""
## Count, and compare with a for loop
"""

# %%
begin = time.perf_counter()
counts = count_words(words, M, R)
seconds = time.perf_counter() - begin
print(f"{len(counts):,} different words in {seconds:.1f} s")

# %%
expected = Counter(word.lower() for word in words)
if counts == expected:
    print("the counts are those of the for loop")
else:
    wrong = [w for w in expected if counts.get(w) != expected[w]]
    wrong += [w for w in counts if w not in expected]
    print(f"{len(wrong)} words are counted wrong, such as {wrong[:5]}")

# %% [markdown]
"""
## The 20 most frequent words
"""

# %%
top = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
for word, count in top:
    print(f"{word:12} {count:10,}")

# %%
figure, axes = pyplot.subplots(figsize=(10, 4))
axes.bar([word for word, _ in top], [count for _, count in top])
axes.set_ylabel("times")
axes.tick_params(axis="x", rotation=60)
pyplot.show()

# %% [markdown]
"""
## How many map tasks are best?

Every run is kept in the folder `runs`, for `minimr report runs`. Each number
several times: a single run says little.
"""

# %% tags=["parameters"]
MAP_TASKS, TIMES = ((1, 5, 20), 2) if QUICK else ((1, 2, 5, 10, 20), 3)

# %%
seconds_of = {m: [] for m in MAP_TASKS}
for _ in range(TIMES):
    for m in MAP_TASKS:
        begin = time.perf_counter()
        count_words(words, m, R)
        seconds_of[m].append(time.perf_counter() - begin)
        print(f"{m} map tasks: {seconds_of[m][-1]:.1f} s")
for m, seconds in seconds_of.items():
    run = {
        "run": "word count",
        "engine": ENGINE,
        "nodes": nodes,
        "map_tasks": m,
        "reduce_tasks": R,
        "words": len(words),
        "distinct_words": len(counts),
        "identical": counts == expected,
        "seconds": seconds,
    }
    keep(f"words-{ENGINE}-nodes-{nodes}-map-{m}-reduce-{R}", run)

# %%
figure, axes = pyplot.subplots(figsize=(8, 4))
axes.boxplot(list(seconds_of.values()))
axes.set_xticklabels([str(m) for m in MAP_TASKS])
axes.set_xlabel("map tasks")
axes.set_ylabel("seconds")
pyplot.show()

# %% [markdown]
"""
## Question

Which number is best, and why are more not better for ever?
"""

# %%
ray.shutdown()
