"""Puts the results of a run into a document, in place of an earlier run's.

    <!-- scaling: made by a command -->
    everything here is replaced
    <!-- scaling: end -->

So no figure in it is of another run than the one that it names.
"""

from __future__ import annotations

from pathlib import Path

from minimr.system.files import atomic_writer

START, END = "<!-- {}: made by a command -->\n", "<!-- {}: end -->"


def put(path: str, name: str, text: str) -> None:
    """Replace what stands between the two comments of a name.

    Raises:
        ValueError: the document has not both.
    """
    start, end = START.format(name), END.format(name)
    before, found, rest = Path(path).read_text("utf-8").partition(start)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(
            f"{path} has no lines {start.strip()} and {end}: put them where "
            "the results belong"
        )
    with atomic_writer(path) as file:
        file.write(f"{before}{start}\n{text.strip()}\n\n{end}{after}")
