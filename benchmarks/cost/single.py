"""What one thread can do: Python, compiled libraries, C."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.cost.works import Index, Sort, sorted_lines
from benchmarks.wordcount.contenders import Loop, WordCounter, read_text
from benchmarks.wordcount.peers import Polars
from benchmarks.wordcount.work import Work
from minimr.shared.mapreduce.corpus import split_files
from minimr.shared.mapreduce.wordcount import ARROW, COMBINED, job_named

SOURCE = Path(__file__).with_name("count.c")
FLAGS = ("-O3", "-march=native")
THREADS = ("loop", "map", "pyarrow", "polars", "c", "sort")
COMPILE_S, COUNT_S = 60.0, 600.0


class Mapped(WordCounter):
    """A job's map function, once, on everything: its dict is the result."""

    def __init__(self, work: Work, name: str, job_name: str) -> None:
        super().__init__(replace(work, job_name=job_name))
        self.name = name

    def start(self) -> None:
        """Import what the job needs, and let it use one thread."""
        job_named(self.work.job_name)
        if self.work.job_name == ARROW.name:
            import pyarrow

            pyarrow.set_cpu_count(1)

    def run(self) -> Mapping[str, int]:
        """Count everything as one split."""
        (split,) = split_files(self.work.paths, 1)
        counts = self.work.job.map_function(split)
        assert isinstance(counts, Mapping)
        return counts

    def merge(self, output: Any) -> Mapping[str, int]:
        """Return the counts, which may still be columns, as a dict."""
        return dict(output)


class C(WordCounter):
    """A program in C, `count.c`, compiled here for this processor.

    Python lowers and cuts the distinct words beyond ASCII: their number is
    small, and C knows no such rules as the final sigma's.
    """

    name = "c"

    def start(self) -> None:
        """Compile the program."""
        self._folder = TemporaryDirectory(prefix="minimr-cost-")
        self._program = Path(self._folder.name, "count")
        compiler = shutil.which("cc")
        assert compiler is not None
        subprocess.run(
            [compiler, *FLAGS, "-o", self._program, SOURCE],
            check=True,
            timeout=COMPILE_S,
            start_new_session=True,
        )

    def run(self) -> tuple[list[bytes], Counter[str]]:
        """Return lines with the words of ASCII, and the other words."""
        printed = subprocess.run(
            [self._program, *self.work.paths],
            check=True,
            stdout=subprocess.PIPE,
            timeout=COUNT_S,
            start_new_session=True,
        ).stdout
        lines = printed.split(b"\n")[:-1]
        beyond: Counter[str] = Counter()
        for line in lines:
            if not line.isascii():
                number, _, word = line.partition(b"\t")
                for each in word.decode(errors="replace").lower().split():
                    beyond[each] += int(number)
        return lines, beyond

    def merge(self, output: Any) -> Mapping[str, int]:
        """Return all words in one dict."""
        counts: Counter[str]
        lines, counts = output
        for line in lines:
            if line.isascii():
                number, _, word = line.partition(b"\t")
                counts[word.decode()] += int(number)
        return counts

    def close(self) -> None:
        """Remove the program."""
        self._folder.cleanup()


class IndexLoop(WordCounter):
    """The inverted index, as everybody writes it first."""

    name = "loop"

    def run(self) -> dict[str, list[int]]:
        """Read file by file."""
        index: defaultdict[str, list[int]] = defaultdict(list)
        for number, path in enumerate(self.work.paths):
            for word in set(read_text(path).lower().split()):
                index[word].append(number)
        return index


class SortLoop(WordCounter):
    """Python's own sort of all lines."""

    name = "loop"

    def run(self) -> bytes:
        """Sort one list."""
        return b"\n".join(sorted_lines(self.work.paths))


class CoreutilsSort(WordCounter):
    """The command `sort`, told to use one thread."""

    name = "sort"

    def run(self) -> bytes:
        """Sort all files by their bytes."""
        command = ["sort", "--parallel=1", "--buffer-size=1G", "--"]
        printed = subprocess.run(
            [*command, *self.work.paths],
            check=True,
            stdout=subprocess.PIPE,
            timeout=COUNT_S,
            env=os.environ | {"LC_ALL": "C"},
            start_new_session=True,
        ).stdout
        return printed.removesuffix(b"\n")


def single_threads(work: Work) -> dict[str, WordCounter]:
    """Return all that can do the work, by name."""
    if isinstance(work, Index):
        return {"loop": IndexLoop(work)}
    if isinstance(work, Sort):
        return {"loop": SortLoop(work), "sort": CoreutilsSort(work)}
    return {
        "loop": Loop(work),
        "map": Mapped(work, "map", COMBINED.name),
        "pyarrow": Mapped(work, "pyarrow", ARROW.name),
        "polars": Polars(replace(work, workers=1)),
        "c": C(work),
    }


def what_is_missing(name: str) -> str | None:
    """Return what a thread or an engine needs that is not here."""
    if name in ("pyarrow", "polars", "ray") and not find_spec(name):
        return name
    needed = {"c": "cc", "sort": "sort"}.get(name)
    return needed if needed and not shutil.which(needed) else None
