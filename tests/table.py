"""A job that shows at a glance whether every output counted once.

map task n    knocks, gives (r, n) to each reduce task r
reduce task r knocks, lists the n that have come: 0, 1, ... M - 1
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from minimr.interface.mapreduce import Job, count
from tests.stage import Address, knock


@dataclass(frozen=True)
class Table:
    """The job, and the only right result.

    Key r goes to reduce task r: integers are their own stable hash.
    """

    address: Address
    maps: int
    reduces: int
    payload_bytes: int = 0

    def job(self) -> Job:
        """Give the job; its splits are the numbers of the map tasks."""
        return Job("table", self.map, self.reduce)

    def expected(self) -> dict[int, list[int]]:
        """Tell the only right result."""
        return {r: list(range(self.maps)) for r in range(self.reduces)}

    def map(self, split: int) -> Iterator[tuple[int, tuple[int, bytes]]]:
        """Give one row to each reduce task."""
        count("map attempts")
        knock(self.address, f"map {split}")
        for r in range(self.reduces):
            yield r, (split, os.urandom(self.payload_bytes))

    def reduce(self, key: int, rows: list[tuple[int, bytes]]) -> list[int]:
        """List which rows have come."""
        count("reduce attempts")
        knock(self.address, f"reduce {key}")
        assert {len(data) for _, data in rows} == {self.payload_bytes}
        return sorted(number for number, _ in rows)
