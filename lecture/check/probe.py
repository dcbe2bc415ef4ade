"""`python -m lecture.check.probe NOTEBOOK`: into which buckets words go.

It runs with a seed of Python's hash that its caller has set.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lecture.check.part2 import MAP, VOCABULARY, pair_up
from lecture.check.source import cells_of, load

NUM_BUCKETS = 97  # so many that chance does not make two processes agree


def main(path: str) -> None:
    """Print {word: bucket} as JSON, in the last line."""

    def remote(*args: Any, **options: Any) -> Any:
        return args[0] if args else lambda function: function

    verbs = SimpleNamespace(remote=remote)
    function = load(cells_of(Path(path)), [MAP], {}, verbs)[MAP]
    words = sorted({word.lower() for word in VOCABULARY})
    buckets = function(pair_up, words, NUM_BUCKETS)
    found = {word: n for n, b in enumerate(buckets) for word, _ in b}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
