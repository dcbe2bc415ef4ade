"""Text of any size, in which words are as unequally frequent as in English.

Zipf's law, as corrected by Mandelbrot: the word of rank r occurs in
proportion to 1 / (r + OFFSET). The first is 5 % of the text, like "the" in
English, and a word has about six bytes, as in English books.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DISTINCT_WORDS = 50_000
LONGEST_WORD = 7
OFFSET = 1.0
BLOCK_WORDS = 2**17
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)


def write_text(path: str, size: int, seed: int = 0) -> int:
    """Write a file of at least `size` bytes, at most a block more.

    Returns: the number of its words.
    """
    generator = np.random.default_rng(seed)
    words = np.array(vocabulary(generator), dtype=object)
    shares = 1 / (np.arange(1, len(words) + 1) + OFFSET)
    heap = np.cumsum(shares) / shares.sum()  # (len(words),) up to 1.0
    written = blocks = 0
    with open(path, "wb") as file:
        while written < size:
            ranks = np.searchsorted(heap, generator.random(BLOCK_WORDS))
            block = b" ".join(words[ranks.clip(max=len(words) - 1)].tolist())
            written += file.write(block + b"\n")
            blocks += 1
    return blocks * BLOCK_WORDS


def vocabulary(generator: np.random.Generator) -> list[bytes]:
    """Return words of random letters and lengths."""
    words: set[bytes] = set()
    while len(words) < DISTINCT_WORDS:
        letters: NDArray[np.uint8] = generator.choice(
            LETTERS, (DISTINCT_WORDS, LONGEST_WORD)
        )
        lengths = generator.integers(1, LONGEST_WORD + 1, DISTINCT_WORDS)
        words.update(
            row[:length].tobytes()
            for row, length in zip(letters, lengths, strict=True)
        )
    ordered = sorted(words)  # a set has an order of its own in each process
    generator.shuffle(ordered)
    return ordered[:DISTINCT_WORDS]
