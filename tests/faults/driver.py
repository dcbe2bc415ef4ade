"""A program that runs a job whose tasks knock: `driver.py HOST PORT`.

Tests end it in every way that a program may end.
"""

from __future__ import annotations

import sys

from minimr.sockets.mapreduce import MapReduce
from tests.table import Table


def main(host: str, port: str) -> None:
    """Run until the test ends us, or the stage lets all tasks go."""
    table = Table((host, int(port)), 4, 2)
    with MapReduce(2) as engine:
        result = engine.run(table.job(), range(table.maps), table.reduces)
        assert result.merged() == table.expected()


if __name__ == "__main__":
    main(*sys.argv[1:])
