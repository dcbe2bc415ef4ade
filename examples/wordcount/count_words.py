"""Word count in four functions and a driver: MapReduce by hand.

The words of all books are cut into M parts. A map task turns a part into R
buckets of pairs (word, 1), chosen by a hash of the word. Reduce task r gets
bucket r of every map task, and so all pairs of its words.

Watch: `num_returns=R`: the results of the map tasks are M rows of R
       references, and a reduce task takes a column. No bucket ever comes
       to the driver.
From:  the course's assignment.
Next:  add up in `do_map_task` already, and compare the times. Then use
       Python's `hash` instead of `crc32`: why are the counts wrong?
"""

import sysconfig
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from zlib import crc32


def map_function(words):
    """Yield a pair for every word."""
    for word in words:
        yield word.lower(), 1


def do_map_task(map_function, words, num_buckets):
    """Return the pairs of some words, a list for each reduce task."""
    buckets = [[] for _ in range(num_buckets)]
    for word, one in map_function(words):
        # Not hash(word): every process has another one.
        buckets[crc32(word.encode()) % num_buckets].append((word, one))
    return buckets


def reduce_function(word, ones):
    """Return a word and how often it is there."""
    return word, sum(ones)


def do_reduce_task(reduce_function, *buckets):
    """Return the counts of all words in one column of buckets."""
    table = defaultdict(list)
    for bucket in buckets:
        for word, one in bucket:
            table[word].append(one)
    return dict(reduce_function(word, table[word]) for word in table)


def cut(words, parts):
    """Return the words in parts; the last one takes what is left over."""
    size = len(words) // parts
    bounds = [part * size for part in range(parts)] + [len(words)]
    return [words[begin:end] for begin, end in pairwise(bounds)]


def read_words(books, full):
    """Return the words of all books, or of Python's own modules."""
    folder = Path(books or sysconfig.get_path("stdlib"))
    paths = sorted(folder.glob("*.txt" if books else "*.py"))
    paths = paths if books or full else paths[:20]
    return [word for path in paths for word in path.read_text("utf-8").split()]


def main(ray, full=False, *, books="", maps=4, reduces=2):
    """Return the twenty words that are there most often."""
    assert reduces > 1, "--reduces 1: num_returns=1 does not unpack a list"
    corpus = read_words(books, full)

    map_task = ray.remote(do_map_task).options(num_returns=reduces)
    reduce_task = ray.remote(do_reduce_task)

    rows = [
        map_task.remote(map_function, part, reduces)
        for part in cut(corpus, maps)
    ]
    columns = zip(*rows, strict=True)
    tables = [
        reduce_task.remote(reduce_function, *column) for column in columns
    ]
    counts = {}
    for table in ray.get(tables):  # no word is in two of them
        counts.update(table)

    top = Counter(counts).most_common(20)
    for word, count in top:
        print(f"{word:12} {count:7,}")
    print(f"of {len(corpus):,} words")
    assert counts == Counter(word.lower() for word in corpus), "lost words"
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
