"""What the tasks of the contract suite compute. Loaded by every worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minimr.interface.mapreduce import Job


class PickyError(Exception):
    """Can be pickled, but not be made again: it takes two arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class StubbornError(Exception):
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("I stay here")


class Unloadable:
    """Can be pickled, and raises wherever it is made again."""

    def __reduce__(self) -> Any:
        return _refuse, ("I cannot be loaded",)


def _refuse(why: str) -> None:
    raise ValueError(why)


def index_map(split: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Give (word, name of the file) for every word of named texts."""
    for name, text in split:
        for word in text.split():
            yield word, name


def index_reduce(word: str, names: list[str]) -> list[str]:
    """List the files that have the word."""
    return sorted(set(names))


INVERTED_INDEX = Job("inverted index", index_map, index_reduce)


def numbers_map(split: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Give each key with None: what matters is how often it comes."""
    for key in split:
        yield key, None


def numbers_reduce(key: Any, nones: list[None]) -> tuple[int, None]:
    """Count the values, of which there is nothing else to say."""
    assert set(nones) == {None}
    return len(nones), None


KEYS = Job("keys of every kind", numbers_map, numbers_reduce)
