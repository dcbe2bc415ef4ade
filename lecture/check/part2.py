"""Part 2, the word count: what should be, and how it is found out.

the functions alone     called here, with few words
the hash                in processes of their own, with other seeds
the driver              on the engine; its calls of the verbs are noted
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from lecture.check.findings import Check
from lecture.check.recorder import Event, Recorder, calls
from lecture.check.source import load
from lecture.check.submission import Submission

MAP, REDUCE, DRIVER = "do_map_task", "do_reduce_task", "count_words"
WANTED = ("map_function", MAP, "reduce_function", REDUCE, DRIVER)
SEEDS = ("1", "2", "3")  # of Python's hash
# words, map tasks, reduce tasks: none divides another
CASES = ((23, 4, 3), (31, 3, 5), (47, 5, 2))
VOCABULARY = (
    "the", "The", "THE", "whale", "Whale", "of", "Of", "sea", "don't", "a",
    "A", "naïve", "Éclair", "éclair", "1851", "--", "Ishmael.", "ishmael.",
)  # fmt: skip

Pair = tuple[str, int]


@dataclass(frozen=True)
class Run:
    """One run of the driver."""

    words: list[str]
    map_tasks: int
    reduce_tasks: int
    counts: Any
    events: list[Event]

    @property
    def maps(self) -> list[tuple[int, Event]]:
        """The calls of the map task, and when they came."""
        return list(calls(self.events, MAP))

    @property
    def reduces(self) -> list[tuple[int, Event]]:
        """The calls of the reduce task, and when they came."""
        return list(calls(self.events, REDUCE))

    @property
    def sizes(self) -> str:
        """How large it was, in words."""
        return (
            f"{len(self.words)} words, M = {self.map_tasks}, "
            f"R = {self.reduce_tasks}"
        )


class Student(Submission[tuple[int, int, int], Run]):
    """The functions of a student, and the runs of the driver."""

    cases = CASES

    @cached_property
    def space(self) -> dict[str, Any]:
        """The names that the student has defined."""
        return load(self.cells, WANTED, {}, self.verbs)

    def function(self, name: str) -> Any:
        """Return a function to be called here; of a task, what it runs."""
        found = self.space[name]
        return getattr(found, "function", found)

    def _run(self, case: tuple[int, int, int]) -> Run:
        num_words, map_tasks, reduce_tasks = case
        words = words_of(num_words)
        self.verbs.events.clear()
        counts = self.space[DRIVER](list(words), map_tasks, reduce_tasks)
        events = list(self.verbs.events)
        return Run(words, map_tasks, reduce_tasks, counts, events)


def words_of(number: int) -> list[str]:
    """Return words, always the same ones."""
    return random.Random(number).choices(VOCABULARY, k=number)


def pair_up(words: Sequence[str]) -> Iterator[Pair]:
    """Yield what a right `map_function` yields."""
    for word in words:
        yield word.lower(), 1


def the_functions_are_there(student: Student) -> str | None:
    """Judge that all five are there."""
    return None if student.space else "there is nothing"


def map_yields_a_pair(student: Student) -> str | None:
    """Judge that there is a pair (word, 1) for every word."""
    words = words_of(20)
    pairs = _pairs(student.function("map_function")(list(words)))
    if isinstance(pairs, str):
        return pairs
    if any(one != 1 for _, one in pairs):
        return (
            "it adds up: every word is to give a pair (word, 1), and what is "
            "counted is counted by reduce"
        )
    if len(pairs) != len(words):
        return f"{len(words)} words give {len(pairs)} pairs"
    theirs = Counter(word.lower() for word, _ in pairs)
    return _differences(theirs, Counter(word.lower() for word in words))


def map_makes_lower_case(student: Student) -> str | None:
    """Judge that large and small letters make no difference."""
    pairs = _pairs(student.function("map_function")(["The", "WHALE", "sea"]))
    large = [word for word, _ in pairs if word != word.lower()]
    if large:
        return f"words are not in lower case: {large[0]!r}"
    return None


def a_map_task_fills_the_buckets(student: Student) -> str | None:
    """Judge that a map task puts every pair into one of R buckets."""
    words = words_of(40)
    for number in (3, 7):
        buckets = student.function(MAP)(pair_up, list(words), number)
        found = _buckets(buckets, number)
        if isinstance(found, str):
            return found
        pairs = [pair for bucket in found for pair in bucket]
        counts: Counter[str] = Counter()
        for word, count in pairs:
            counts[word] += count
        expected = Counter(word.lower() for word in words)
        if counts == expected and len(pairs) < len(words):
            return (
                "the ones are summed in the map task already: a bucket holds "
                "the pairs (word, 1) as they come; reduce adds up"
            )
        if wrong := _differences(counts, expected):
            return f"the pairs in the buckets are not those of map: {wrong}"
        shared = [set(dict(bucket)) for bucket in found]
        for word in expected:
            if sum(word in bucket for bucket in shared) > 1:
                return (
                    f"pairs of {word!r} are in several buckets: all pairs of "
                    "a word belong into the same one"
                )
    return None


def every_process_agrees(student: Student) -> str | None:
    """Judge that each process puts a word into the same bucket."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "lecture.check.probe", student.path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for seed in SEEDS
    ]
    told = [process.communicate() for process in started]
    for process, (_, error) in zip(started, told, strict=True):
        if process.returncode:
            last = error.strip().rpartition("\n")[2]
            return f"in a process of its own it fails: {last}"
    answers = [json.loads(output.splitlines()[-1]) for output, _ in told]
    for word in answers[0]:
        numbers = [answer[word] for answer in answers]
        if len(set(numbers)) > 1:
            return (
                f"{len(SEEDS)} processes put {word!r} into the buckets "
                f"{', '.join(map(str, numbers))}: Python's hash of a string "
                "is salted, another one in each process"
            )
    return None


def reduce_counts_the_ones(student: Student) -> str | None:
    """Judge that reduce gives a word with the number of its ones."""
    found = student.function("reduce_function")("whale", [1, 1, 1])
    if found not in (("whale", 3), ["whale", 3], 3):
        return f"of 'whale' and [1, 1, 1] it makes {found!r}, not ('whale', 3)"
    return None


def a_reduce_task_groups_first(student: Student) -> str | None:
    """Judge that the ones of a word are in one list when reduce gets them."""
    buckets = [
        [("the", 1), ("sea", 1), ("the", 1)],
        [],
        [("sea", 1), ("the", 1)],
    ]
    seen: list[tuple[str, list[int]]] = []

    def spy(word: str, ones: Any) -> Pair:
        seen.append((word, list(ones)))
        return word, sum(seen[-1][1])

    counts = student.function(REDUCE)(spy, *buckets)
    words = [word for word, _ in seen]
    if not seen:
        return "it never calls the reduce_function that it is given"
    if any(one != 1 for _, ones in seen for one in ones):
        return (
            "the ones are summed before they are grouped: reduce_function is "
            f"given {dict(seen)[words[0]]} for {words[0]!r}; it wants the "
            "list of ones"
        )
    if len(words) > len(set(words)):
        return (
            f"reduce_function is called {len(words)} times for "
            f"{len(set(words))} words: group all ones of a word first"
        )
    return _differences(Counter(counts), Counter(the=3, sea=2))


def the_driver_runs(student: Student) -> str | None:
    """Judge that it ends without an error."""
    for run in student.runs:
        if not isinstance(run.counts, dict):
            kind = type(run.counts).__name__
            return f"it returns a {kind}, not a dictionary"
        if not run.maps or not run.reduces:
            kind = MAP if not run.maps else REDUCE
            return f"it never calls {kind}.remote"
    return None


def there_are_m_and_r(student: Student) -> str | None:
    """Judge that there are M map tasks of R buckets, and R reduce tasks."""
    for run in student.runs:
        m, r = run.map_tasks, run.reduce_tasks
        buckets = {len(event.refs) for _, event in run.maps}
        asked = {_argument(event, 2, "num_buckets") for _, event in run.maps}
        for what, number, right, other in (
            ("map tasks", len(run.maps), m, r),
            ("results of a map task (num_returns)", max(buckets), r, m),
            ("buckets that a map task is to fill", max(asked), r, m),
            ("reduce tasks", len(run.reduces), r, m),
        ):
            if number != right:
                mixed = ""
                if number == other:
                    mixed = (
                        ": M is used for R" if right == r
                        else ": R is used for M"
                    )  # fmt: skip
                return f"{run.sizes}: {number} {what}, not {right}{mixed}"
    return None


def each_word_is_in_one_piece(student: Student) -> str | None:
    """Judge that the pieces together are the words."""
    for run in student.runs:
        pieces = [
            list(student.verbs.value(_argument(event, 1, "words")))
            for _, event in run.maps
        ]
        handed = Counter(word for piece in pieces for word in piece)
        missing = sum((Counter(run.words) - handed).values())
        twice = sum((handed - Counter(run.words)).values())
        if missing:
            rest = len(run.words) % run.map_tasks
            why = (
                f": the remainder of {len(run.words)} / {run.map_tasks} is "
                "lost"
            )
            lost = why if missing == rest else ""
            return f"{run.sizes}: {missing} words are in no piece{lost}"
        if twice:
            return f"{run.sizes}: {twice} words are in more than one piece"
        sizes = [len(piece) for piece in pieces]
        if max(sizes) > 2 * len(run.words) / run.map_tasks:
            return (
                f"{run.sizes}: a piece has {max(sizes)} words, and others "
                f"{min(sizes)}: they should be of nearly the same size"
            )
    return None


def buckets_do_not_pass_the_driver(student: Student) -> str | None:
    """Judge that the driver hands on references."""
    for run in student.runs:
        refs = [ref for _, event in run.maps for ref in event.refs]
        for event in run.events:
            if event.kind == "get" and event.waits_for(refs):
                return (
                    "the results of map tasks are pulled through the driver: "
                    "it calls ray.get on a bucket, where the reference is "
                    "enough for the reduce task"
                )
        for _, event in run.reduces:
            given = event.args[1:]
            if not all(map(student.verbs.is_result, given)):
                return (
                    "a reduce task is not given the references that map tasks "
                    "have returned, each as an argument of its own, but "
                    f"{type(_first_other(given, student.verbs)).__name__}"
                )
    return None


def a_column_for_each_reduce_task(student: Student) -> str | None:
    """Judge that reduce task r gets bucket r of every map task, once."""
    for run in student.runs:
        place = {
            ref: (m, r)
            for m, (_, event) in enumerate(run.maps)
            for r, ref in enumerate(event.refs)
        }
        used: Counter[tuple[int, int]] = Counter()
        for _, event in run.reduces:
            column = [place[ref] for ref in event.args[1:]]
            used.update(column)
            if len({r for _, r in column}) > 1:
                return (
                    f"{run.sizes}: a reduce task is given different buckets "
                    "of map tasks, not bucket r of all of them: rows for "
                    "columns?"
                )
        for (m, r), times in used.items():
            if times > 1:
                return (
                    f"{run.sizes}: bucket {r} of map task {m} is counted "
                    f"{'twice' if times == 2 else f'{times} times'}"
                )
        left = [spot for spot in place.values() if spot not in used]
        if left:
            m, r = left[0]
            return (
                f"{run.sizes}: bucket {r} of map task {m} is given to no "
                f"reduce task, {len(left)} of {len(place)} in all"
            )
    return None


def tasks_run_side_by_side(student: Student) -> str | None:
    """Judge that no task is waited for before all of its kind have begun."""
    for run in student.runs:
        for tasks, kind in ((run.maps, "map"), (run.reduces, "reduce")):
            for (_, task), (later, _) in pairwise(tasks):
                waits = [
                    index
                    for index, event in enumerate(run.events[:later])
                    if event.waits_for(task.refs)
                ]
                if waits:
                    return (
                        f"{kind} tasks run one after the other: one is waited "
                        "for before the next is started"
                    )
    return None


def the_counts_are_right(student: Student) -> str | None:
    """Judge the result."""
    for run in student.runs:
        expected = Counter(word.lower() for word in run.words)
        if wrong := _differences(Counter(run.counts), expected):
            return f"{run.sizes}: {wrong}"
    return None


CHECKS = (
    Check("the five functions are there", the_functions_are_there, True),
    Check("map_function gives a pair (word, 1) for every word",
          map_yields_a_pair, True),
    Check("map_function gives words in lower case", map_makes_lower_case),
    Check("do_map_task puts all pairs into R buckets, unsummed",
          a_map_task_fills_the_buckets),
    Check("do_map_task chooses the same bucket in every process",
          every_process_agrees),
    Check("reduce_function counts the ones of a word",
          reduce_counts_the_ones),
    Check("do_reduce_task groups the ones, and then reduces each word once",
          a_reduce_task_groups_first),
    Check("count_words runs", the_driver_runs, True),
    Check("M map tasks, R buckets of each, R reduce tasks",
          there_are_m_and_r),
    Check("every word is in one piece", each_word_is_in_one_piece),
    Check("the driver hands on references, and gets no bucket",
          buckets_do_not_pass_the_driver, True),
    Check("a reduce task gets its bucket of every map task, once",
          a_column_for_each_reduce_task),
    Check("the tasks of a phase run side by side", tasks_run_side_by_side),
    Check("the counts are right", the_counts_are_right),
)  # fmt: skip


def _pairs(found: Any) -> Any:
    """Return pairs as a list; if they are none, what they are, in words."""
    try:
        pairs = [(word, one) for word, one in found]
    except (TypeError, ValueError):
        return f"it gives {type(found).__name__}, not pairs (word, 1)"
    if not all(isinstance(word, str) for word, _ in pairs):
        return "the first of a pair is not a word"
    return pairs


def _buckets(found: Any, number: int) -> Any:
    """Return buckets as lists of pairs; if they are none, why, in words."""
    try:
        buckets = [_pairs(bucket) for bucket in found]
    except TypeError:
        return f"it returns {type(found).__name__}, not a list of buckets"
    if len(buckets) != number:
        return f"asked for {number} buckets, it returns {len(buckets)}"
    return next((b for b in buckets if isinstance(b, str)), buckets)


def _argument(event: Event, place: int, name: str) -> Any:
    """Return an argument of a call, by its place or its name."""
    if place < len(event.args):
        return event.args[place]
    return event.kwargs[name]


def _first_other(given: Sequence[Any], verbs: Recorder) -> Any:
    return next(each for each in given if not verbs.is_result(each))


def _differences(found: Counter[str], expected: Counter[str]) -> str | None:
    """Return in words where two counts differ first."""
    for word in sorted({*found, *expected}):
        if found[word] != expected[word]:
            return (
                f"{word!r} is counted {found[word]} times, and is there "
                f"{expected[word]} times"
            )
    return None
