"""The page that shows runs: one file, with all that it needs in it.

    [Run] ── attempts, why, hops ──> JSON ─┐
    mirrored pairs of files, as rows ──────┤
    page.html, page.css, *.js ─────────────┴──> one HTML file

Rules:

1. Nothing is loaded from elsewhere: the policy of the page forbids it, and
   allows the two scripts that it has by their hashes.
2. Whatever a trace says is text: the JSON has no "<", and the scripts put it
   on the page as text only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lecture.hops import hops, of_messages
from lecture.trace import Run, attempts
from lecture.why import why

HERE = Path(__file__).parent
SCRIPTS = (
    "model.js", "lanes.js", "architecture.js", "panel.js", "charts.js",
    "game.js", "questions.js", "live.js", "main.js",
)  # fmt: skip
# Kinds of lines that the page reads as they are.
AS_THEY_ARE = (
    "node", "constructor", "actor", "object", "wait", "story", "usage",
    "curve", "game", "message", "process", "knows", "question", "source",
)  # fmt: skip

MOST = 100  # names of functions and their states

# Files beside each other: their names as "titles", their "lines" as pieces
# [style, text], the "rows" of line numbers, and such rows of each of "steps".
Pair = dict[str, Any]


def shown(
    runs: Sequence[Run],
    live: bool = False,
    now: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the page draws, ready for JSON.

    Args:
        live: the page asks its server for more, once a second.
        now: the "state" of a cluster, and the "buttons" of a stage.
    """
    made = [_run(run) for run in runs]
    return {"live": live, "runs": made, **(now or {})}


def html(
    runs: Sequence[Run],
    live: bool = False,
    pairs: Sequence[Pair] = (),
    now: dict[str, Any] | None = None,
) -> str:
    """Return the page as one file.

    Args:
        live: it asks its server for more, once a second.
        pairs: files that are read beside each other.
        now: see `shown`.
    """
    whole_data = {**shown(runs, live, now), "pairs": pairs}
    data = json.dumps(whole_data, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    script = "\n".join(
        (HERE / name).read_text("utf-8").replace('"use strict";', "")
        for name in SCRIPTS
    )
    script = f'"use strict";\n{script}'
    style = (HERE / "page.css").read_text("utf-8")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        f"connect-src {chr(39)}self{chr(39)}; img-src data:"
    )
    page = (HERE / "page.html").read_text("utf-8")
    parts = {"policy": policy, "style": style, "script": script, "data": data}
    before, *rest = page.split("{{")
    whole = [before]
    for piece in rest:  # not one after the other: texts may have "{{"
        name, _, after = piece.partition("}}")
        whole += [parts[name], after]
    return "".join(whole)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _run(run: Run) -> dict[str, Any]:
    found = why(run)
    return {
        "about": run.about,
        "states": _states(run),
        "tasks": list(attempts(run)),
        "lines": [line for line in run.lines if line["kind"] in AS_THEY_ARE],
        "why": {
            "parts": [asdict(part) for part in found.parts],
            "findings": [asdict(finding) for finding in found.findings],
            "sums": found.sums(),
        },
        "hops": {
            **hops(str(run.about.get("rung", run.engine))),
            **of_messages(run.of("message")),
        },
    }


def _states(run: Run) -> list[list[Any]]:
    """Return how many tasks there are: [name, state, number]."""
    last = {task["id"]: task for task in run.of("task")}
    states = Counter((t["name"], t["state"]) for t in last.values())
    return [[*key, number] for key, number in states.most_common(MOST)]
