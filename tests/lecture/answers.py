"""Answers of students: the solution with small changes, right and wrong.

A change is two texts, what is replaced and by what. The words of a wrong
answer are those that the checker has to say first.
"""

from __future__ import annotations

from dataclasses import dataclass

from lecture.notebooks import build

PAGES = {"part2": "part2_word_count", "part3": "part3_distributed"}
Change = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """A solution with changes; `words` is what is wrong, if anything."""

    part: str
    name: str
    changes: tuple[Change, ...]
    words: str = ""

    @property
    def text(self) -> str:
        """The program.

        Raises:
            LookupError: the solution has no such place.
        """
        text = build.solution(build.source(PAGES[self.part]))
        for old, new in self.changes:
            if old not in text:
                raise LookupError(f"{self.name}: the solution has no {old!r}")
            text = text.replace(old, new)
        return text


def right(part: str, name: str, *changes: Change) -> Answer:
    """Return an answer that is right as well."""
    return Answer(part, name, changes)


def wrong(part: str, name: str, words: str, *changes: Change) -> Answer:
    """Return an answer that is wrong."""
    return Answer(part, name, changes, words)


CUTS = "cuts = [len(words) * m // M for m in range(M + 1)]"
PIECES = "pieces = [words[cuts[m] : cuts[m + 1]] for m in range(M)]"
TABLE = "table.setdefault(word, []).append(one)"
GROUPED = "dict(reduce_function(word, ones) for word, ones in table.items())"
COLUMNS = "columns = [[row[r] for row in rows] for r in range(R)]"
ROWS = "rows = [map_task.remote(map_function, piece, R) for piece in pieces]"
BUCKET = "crc32(word.encode()) % num_buckets"
AS_THEY_COME = "for output in as_they_come(outputs):"
OUTPUTS = """    outputs = [
        do_reduce_task.remote(reduce_function, *column) for column in columns
    ]
"""

PART2 = (
    right("part2", "the solution"),
    right(
        "part2",
        "a remainder by divmod, buckets by the first letter",
        (CUTS, "size, rest = divmod(len(words), M)"),
        (
            PIECES,
            "pieces, at = [], 0\n"
            "    for m in range(M):\n"
            "        pieces.append(words[at : at + size + (m < rest)])\n"
            "        at += len(pieces[-1])",
        ),
        (BUCKET, "ord(word[0]) % num_buckets"),
        ("columns = [[row[r] for row in rows] for r in range(R)]",
         "columns = list(zip(*rows))"),
    ),
    right(
        "part2",
        "pieces are put, tasks are made in the driver",
        ("@ray.remote\ndef", "def"),
        ("do_map_task.options(num_returns=R)",
         "ray.remote(do_map_task).options(num_returns=R)"),
        ("do_reduce_task.remote(",
         "ray.remote(num_cpus=1)(do_reduce_task).remote("),
        ("pieces = [words[cuts[m] : cuts[m + 1]] for m in range(M)]",
         "pieces = [ray.put(words[cuts[m] : cuts[m + 1]]) for m in range(M)]"),
        (AS_THEY_COME, "for output in ray.get(outputs):"),
    ),
    right(
        "part2",
        "pieces like cards, a counter in reduce, lists of one generator",
        (CUTS, "pass"),
        (PIECES, "pieces = [words[m::M] for m in range(M)]"),
        ("    return word, sum(ones)", "    return [word, len(ones)]"),
        ("    for word in words:\n        yield word.lower(), 1",
         "    return [(word.lower(), 1) for word in words]"),
        ("buckets[crc32(word.encode()) % num_buckets].append((word, one))",
         "n = int(md5(word.encode()).hexdigest(), 16)\n"
         "        buckets[n % num_buckets].append([word, one])"),
        ("from zlib import crc32", "from hashlib import md5"),
        ("    return buckets\n", "    return tuple(buckets)\n"),
    ),
    wrong(
        "part2",
        "the remainder of a division is lost",
        "the remainder of 23 / 4 is lost",
        (CUTS, "cuts = [len(words) // M * m for m in range(M + 1)]"),
    ),
    wrong(
        "part2",
        "pieces overlap",
        "words are in more than one piece",
        (PIECES, "pieces = [words[cuts[m] : cuts[m + 1] + 1] "
         "for m in range(M)]"),
    ),
    wrong(
        "part2",
        "a bucket is counted twice",
        "bucket 0 of map task 0 is counted twice",
        (COLUMNS, COLUMNS + "\n    columns[0].append(rows[0][0])"),
    ),
    wrong(
        "part2",
        "words are not in lower case",
        "words are not in lower case: 'The'",
        ("yield word.lower(), 1", "yield word, 1"),
    ),
    wrong(
        "part2",
        "a salted hash",
        "Python's hash of a string is salted",
        (BUCKET, "hash(word) % num_buckets"),
    ),
    wrong(
        "part2",
        "M is used for R, for reduce tasks",
        "4 results of a map task (num_returns), not 3: M is used for R",
        ("num_returns=R", "num_returns=M"),
        ("piece, R)", "piece, M)"),
        (COLUMNS, "columns = [[row[r] for row in rows] for r in range(M)]"),
    ),
    wrong(
        "part2",
        "R is used for M, for map tasks",
        "3 map tasks, not 4: R is used for M",
        (CUTS, "cuts = [len(words) * m // R for m in range(R + 1)]"),
        (PIECES, "pieces = [words[cuts[m] : cuts[m + 1]] for m in range(R)]"),
    ),
    wrong(
        "part2",
        "the map task sums",
        "the ones are summed in the map task already",
        ("    return buckets\n",
         "    return [list(Counter(dict_of).items()) for dict_of in\n"
         "            ([w for w, _ in bucket] for bucket in buckets)]\n"),
    ),
    wrong(
        "part2",
        "ones are summed before they are grouped",
        "the ones are summed before they are grouped",
        (TABLE, "table[word] = table.get(word, 0) + one"),
        (GROUPED, "dict(reduce_function(w, [n]) for w, n in table.items())"),
    ),
    wrong(
        "part2",
        "results are pulled through the driver",
        "the results of map tasks are pulled through the driver",
        (ROWS, ROWS + "\n    rows = [ray.get(row) for row in rows]"),
    ),
    wrong(
        "part2",
        "rows for columns",
        "not bucket r of all of them: rows for columns?",
        (COLUMNS, "columns = [[rows[m][(r + m) % R] for m in range(M)] "
         "for r in range(R)]"),
    ),
    wrong(
        "part2",
        "the last map task is forgotten",
        "bucket 0 of map task 3 is given to no reduce task",
        (COLUMNS, "columns = [[row[r] for row in rows[:-1]] "
         "for r in range(R)]"),
    ),
    wrong(
        "part2",
        "map tasks one after the other",
        "map tasks run one after the other",
        (ROWS, "rows = []\n    for piece in pieces:\n"
         "        rows.append(map_task.remote(map_function, piece, R))\n"
         "        ray.wait(rows[-1], num_returns=R)"),
    ),
    wrong(
        "part2",
        "only the last output is kept",
        "is counted 0 times",
        ("counts.update(output)", "counts = output"),
    ),
)  # fmt: skip

SYNC = (
    "        ray.get([agent.set_weights.remote(newest) for agent in agents])\n"
)
NEWEST = "        newest = global_net.get_weights.remote()\n"
TRAIN = "trained = [agent.train.remote() for agent in agents]"
COPY = "{n: array.copy() for n, array in self.learner.weights().items()}"
MEAN = "{n: sum(w[n] for w in weights) / len(weights) for n in weights[0]}"
BEST = "if not scores or score > max(scores):"
END = "if score >= target_score:"
LOAD = "self.learner.load(weights)"

PART3 = (
    right("part3", "the solution"),
    right(
        "part3",
        "weights are put, the trained are taken as they come",
        (NEWEST, "        newest = ray.put("
         "ray.get(global_net.get_weights.remote()))\n"),
        ("ray.get(global_net.average.remote(*trained))",
         "waiting = trained\n"
         "        while waiting:\n"
         "            _, waiting = ray.wait(waiting)\n"
         "        ray.get(global_net.average.remote(*trained))"),
        ("@ray.remote\n", "@ray.remote(num_cpus=0.5)\n"),
    ),
    right(
        "part3",
        "a mean of numpy, copies of the library, a loop of numbers",
        ("import importlib\n", "import importlib\nimport copy\n"
         "import numpy as np\n"),
        (MEAN, "{n: np.mean([w[n] for w in weights], axis=0) "
         "for n in weights[0]}"),
        (COPY, "copy.deepcopy(self.learner.weights())"),
        ("while len(scores) < max_rounds:", "for _ in range(max_rounds):"),
        (END, "if max(scores) >= target_score:"),
    ),
    right(
        "part3",
        "weights are handed out after the average, the driver has the values",
        ("    scores = []\n", "    scores, best = [], float('-inf')\n"
         "    first = ray.get(global_net.get_weights.remote())\n"
         "    ray.get([a.set_weights.remote(first) for a in agents])\n"),
        (NEWEST + SYNC, ""),
        (TRAIN, "trained = ray.get([a.train.remote() for a in agents])"),
        (BEST, "if score > best:\n            best = score"),
        ("        show_round(scores)\n", "        show_round(scores)\n"
         "        new = global_net.get_weights.remote()\n"
         "        ray.get([a.set_weights.remote(new) for a in agents])\n"),
    ),
    wrong(
        "part3",
        "the average forgets an agent",
        "of 3 agents, the average forgets agent 2",
        (MEAN, "{n: sum(w[n] for w in weights[:-1]) / "
         "max(1, len(weights) - 1) for n in weights[0]}"),
    ),
    wrong(
        "part3",
        "the average weighs an agent twice",
        "of 3 agents, the average weighs agent 0 twice",
        (MEAN, "{n: (weights[0][n] + sum(w[n] for w in weights)) / "
         "(len(weights) + 1) for n in weights[0]}"),
    ),
    wrong(
        "part3",
        "a sum, not an average",
        "it is 3 times the average: divide by their number",
        (") / len(weights) for", ") for"),
    ),
    wrong(
        "part3",
        "the weights of an agent are shared",
        "train() returns the network's own arrays, shared and not copied",
        ("        self.learner.train()\n        return " + COPY,
         "        self.learner.train()\n"
         "        return self.learner.weights()"),
    ),
    wrong(
        "part3",
        "the average adds into the weights of an agent",
        "it adds into the weights of agent 0, shared and not copied",
        ("        self.learner.load(\n            " + MEAN + "\n        )\n",
         "        total = weights[0]\n"
         "        for other in weights[1:]:\n"
         "            for n in total:\n"
         "                total[n] += other[n]\n"
         "        self.learner.load("
         "{n: total[n] / len(weights) for n in total})\n"),
    ),
    wrong(
        "part3",
        "agents train one after the other",
        "the agents train one after the other",
        (TRAIN, "trained = [ray.get(agent.train.remote()) "
         "for agent in agents]"),
    ),
    wrong(
        "part3",
        "training never syncs",
        "goes on from its own weights: it is never synced",
        (SYNC, "        if not scores:\n    " + SYNC),
    ),
    wrong(
        "part3",
        "the first weights are not handed out",
        "those of GlobalNet are not handed out at the beginning",
        (SYNC, "        if scores:\n    " + SYNC),
    ),
    wrong(
        "part3",
        "the average is handed out a round late",
        "an older average: it is handed out a round late",
        ("    scores = []\n", "    scores = []\n"
         "    newest = later = global_net.get_weights.remote()\n"),
        (NEWEST, "        newest, later = later, "
         "global_net.get_weights.remote()\n"),
    ),
    wrong(
        "part3",
        "exactly the target is not enough",
        "a test of exactly target_score is good enough",
        (END, "if score > target_score:"),
    ),
    wrong(
        "part3",
        "the target is always 100",
        "it goes on after target_score is reached",
        (END, "if score >= 100:"),
    ),
    wrong(
        "part3",
        "one round too many",
        "there are more than max_rounds",
        ("while len(scores) < max_rounds:",
         "while len(scores) <= max_rounds:"),
    ),
    wrong(
        "part3",
        "it never ends",
        "it never ends: neither target_score nor max_rounds",
        ("while len(scores) < max_rounds:", "while True:"),
        (END, "if False:"),
    ),
    wrong(
        "part3",
        "the checkpoint is the last",
        "the checkpoint is of the last round, not the best",
        (BEST, "if True:"),
    ),
    wrong(
        "part3",
        "a score below 0 is never the best",
        "there is no checkpoint",
        (BEST, "if score > max([0, *scores]):"),
    ),
    wrong(
        "part3",
        "only the first agent trains",
        "in round 1, these agents train: [0, 0, 0]",
        (TRAIN, "trained = [agents[0].train.remote() for _ in agents]"),
    ),
)  # fmt: skip

ANSWERS = (*PART2, *PART3)
