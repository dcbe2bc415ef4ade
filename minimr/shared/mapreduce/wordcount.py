"""The job: how often each word occurs, written twice.

A word is what `text.lower().split()` returns, on text decoded as UTF-8.

`TEXTBOOK` is the paper's (section 2.1): a pair (word, 1) for every word,
and a reduce function that counts the ones. `COMBINED` counts within the
map task first (the paper's combiner, section 4.3), so that one pair for
each distinct word travels. Both give the same counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from minimr.interface.mapreduce import Job
from minimr.shared.mapreduce.corpus import FileSplit, Split, texts_of


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
    if isinstance(split, FileSplit):
        return _count_bytes(split)
    return Counter(" ".join(texts_of(split)).lower().split())


def combined_reduce(word: str, counts: list[int]) -> int:
    """Add up the counts of the map tasks."""
    return sum(counts)


TEXTBOOK = Job("textbook", textbook_map, textbook_reduce)
COMBINED = Job("combined", combined_map, combined_reduce)
JOBS = {job.name: job for job in (TEXTBOOK, COMBINED)}


def _count_bytes(split: FileSplit) -> dict[str, int]:
    """Count raw words first; then decode and lower each distinct one.

    It is exact, since neither decoding nor lowering looks across ASCII white
    space, and much less work: a text has far fewer distinct words than words.
    Two raw words may still become the same word (letters beyond ASCII), and
    one may become two (white space beyond it: U+00A0, U+2028, U+001C, ...).
    """
    tokens: Counter[bytes] = Counter()
    for block in split.blocks():
        tokens.update(block.lower().split())
    joined = _decode(tokens, split).lower()
    words = joined.split("\n")
    counts: defaultdict[str, int] = defaultdict(int)
    if words == joined.split():  # every token is still one word
        for word, number in zip(words, tokens.values(), strict=True):
            counts[word] += number
    else:
        for token, number in zip(words, tokens.values(), strict=False):
            for word in token.split():
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
