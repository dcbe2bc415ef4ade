"""The job: how often each word occurs, written three times.

A word is what `text.lower().split()` returns, on text decoded as UTF-8.

`TEXTBOOK` is the paper's (section 2.1): a pair (word, 1) for every word,
and a reduce function that counts the ones. `COMBINED` counts within the
map task first (the paper's combiner, section 4.3), so that one pair for
each distinct word travels. `ARROW` does so too, and leaves cutting and
counting to the compiled loops of Apache Arrow. All give the same counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from minimr.interface.mapreduce import Job
from minimr.shared.mapreduce import columns
from minimr.shared.mapreduce.columns import Columns, Counts
from minimr.shared.mapreduce.corpus import FileSplit, Split, texts_of
from minimr.shared.mapreduce.shuffle import add_up

OTHER_SPACE = re.compile(r"[^\S\n]")
GROUP_BYTES = 2**25  # of text that Arrow counts at once: bounds its memory


def textbook_map(split: Split) -> Iterator[tuple[str, int]]:
    """Yield (word, 1) for every word."""
    for text in texts_of(split):
        for word in text.lower().split():
            yield word, 1


def textbook_reduce(word: str, ones: list[int]) -> int:
    """Count the ones."""
    return len(ones)


def combined_map(split: Split) -> Mapping[str, int]:
    """Count the words of the split."""
    if not isinstance(split, FileSplit):
        return Counter(" ".join(texts_of(split)).lower().split())
    tokens: Counter[bytes] = Counter()
    for block in split.blocks():
        tokens.update(block.lower().split())
    return _words_of(split, tokens)


def arrow_map(split: Split) -> Mapping[str, int]:
    """Count the words of the split with the kernels of Apache Arrow.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    if not isinstance(split, FileSplit):
        return combined_map(split)
    merged: list[Columns] = []  # none or one
    group: list[bytes] = []
    size = 0
    for block in split.blocks():
        group.append(block)
        size += len(block)
        if size >= GROUP_BYTES:
            merged = [columns.together([*merged, columns.count(group)])]
            group, size = [], 0
    merged = [columns.together([*merged, columns.count(group)])]
    plain, others = columns.plain(merged[0])
    return Counts(plain, _words_of(split, others))


def combined_reduce(word: str, counts: list[int]) -> int:
    """Add up the counts of the map tasks."""
    return sum(counts)


TEXTBOOK = Job("textbook", textbook_map, textbook_reduce)
COMBINED = Job("combined", combined_map, combined_reduce, reduce_blocks=add_up)
ARROW = Job(
    "arrow",
    arrow_map,
    combined_reduce,
    partition=columns.partition,
    reduce_blocks=columns.add_up,
)
JOBS = {job.name: job for job in (TEXTBOOK, COMBINED, ARROW)}


def job_named(name: str) -> Job:
    """Return one of `JOBS`, once it is known that it can run here.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    if name == ARROW.name:
        columns.load()
    return JOBS[name]


def _words_of(
    split: FileSplit, tokens: Mapping[bytes, int]
) -> Mapping[str, int]:
    """Return the counts of words, given those of raw words in lower case.

    To count raw words, and to decode and lower each distinct one, is exact,
    since neither decoding nor lowering looks across ASCII white space, and
    much less work: a text has far fewer distinct words than words. Two raw
    words may still become the same word (letters beyond ASCII), and one may
    become two (white space beyond it: U+00A0, U+2028, U+001C, ...).
    """
    joined = _decode(tokens, split).lower()
    words = joined.split("\n")
    counts: defaultdict[str, int] = defaultdict(int)
    if OTHER_SPACE.search(joined):
        for token, number in zip(words, tokens.values(), strict=False):
            for word in token.split():
                counts[word] += number
    else:  # every token is still one word
        for word, number in zip(words, tokens.values(), strict=False):
            counts[word] += number
    return counts


def _decode(tokens: Iterable[bytes], split: FileSplit) -> str:
    joined = b"\n".join(tokens)
    try:
        return joined.decode()
    except UnicodeDecodeError:
        for _ in split.texts():  # read again: it counts the files to blame
            pass
        return joined.decode(errors="replace")
