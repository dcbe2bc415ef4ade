"""Word counts as files: `word<TAB>count` lines, sorted by code point."""

from __future__ import annotations

from minimr.shared.mapreduce.corpus import InputError
from minimr.system.files import atomic_writer

SHOWN_DIFFERENCES = 10
MARK = "\ufeff"


def write_counts(path: str, counts: dict[str, int]) -> None:
    """Write the whole file, or nothing."""
    lines = sorted(counts.items())
    with atomic_writer(path) as file:
        if lines and lines[0][0].startswith(MARK):
            file.write(MARK)  # else the word's own would be dropped as one
        file.writelines(f"{word}\t{number}\n" for word, number in lines)


def read_counts(path: str) -> dict[str, int]:
    """Read counts. A byte-order mark is not part of the first word.

    Raises:
        InputError: the file cannot be read, or a line has another form.
    """
    counts: dict[str, int] = {}
    try:
        # Only "\n" ends a line: a word may hold other separators' bytes.
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            for line in file:
                word, tab, count = line.rstrip("\n").partition("\t")
                if not tab or word in counts:
                    raise ValueError(line)
                counts[word] = int(count)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error.reason}") from error
    except ValueError as error:
        raise InputError(
            f"{path}, line {len(counts) + 1}, is not word<TAB>count, "
            "each word once"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return counts


def differences(expected: dict[str, int], counts: dict[str, int]) -> list[str]:
    """Return a line per word whose counts differ, for the first ten.

    A word that is missing has the count 0.
    """
    if expected == counts:
        return []
    words = sorted(
        word
        for word in expected.keys() | counts.keys()
        if expected.get(word, 0) != counts.get(word, 0)
    )
    lines = [
        f"{word!r}: expected {expected.get(word, 0):,}, "
        f"counted {counts.get(word, 0):,}"
        for word in words[:SHOWN_DIFFERENCES]
    ]
    if len(words) > len(lines):
        lines.append(f"... and {len(words) - len(lines):,} more words")
    return lines
