"""Texts to count the words of, and how: slowly."""

from __future__ import annotations

from collections.abc import Iterator

from minimr.system import machine

TEXTS = [
    "to be or not to be",
    "that is the question",
    "whether it is nobler in the mind to suffer",
    "the slings and arrows of outrageous fortune",
    "or to take arms against a sea of troubles",
    "and by opposing end them",
    "to die to sleep no more",
    "and by a sleep to say we end the heart ache",
]


def splits() -> list[tuple[str, float]]:
    """Return the texts, each with the seconds that one of its words takes."""
    return [(text, 0.01 * (1 + n % 3)) for n, text in enumerate(TEXTS)]


def words_of(split: tuple[str, float]) -> Iterator[tuple[str, int]]:
    """Yield each word of a text, slowly."""
    text, seconds = split
    for word in text.split():
        machine.sleep(seconds)
        yield word, 1


def total(word: str, ones: list[int]) -> int:
    """Add up."""
    return sum(ones)
