"""What a worker has of one job, from NewJob to Forget.

    map task ─> keep ─> blocks (on disk) ─> block ─┬─> Block, to a worker
                                                   └─> its own reduce task
    reduce task ─────> outputs (in memory) ──────────> Answer, if asked

Ray: the objects of a node that have their owner in the driver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from minimr.interface.mapreduce import Job
from minimr.net.frames import MAX_FRAME_BYTES
from minimr.sockets.cluster.block_store import BlockStore
from minimr.sockets.cluster.fetch import Fetcher

MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - 2**16  # the rest of its message


@dataclass
class WorkerJob:
    """One job in one worker.

    Attributes:
        worker_id: of the worker.
        fetcher: gets the blocks of other workers.
        outputs: of the reduce tasks that were done here.
    """

    job: Job
    num_reduce_tasks: int
    worker_id: int
    fetcher: Fetcher
    outputs: dict[int, dict[Any, Any]] = field(default_factory=dict)
    _blocks: BlockStore = field(
        default_factory=BlockStore
    )  # (map task, partition)

    def keep(self, map_task: int, partition: int, block: bytes) -> None:
        """Keep a block until a reduce task fetches it.

        Raises:
            StoreError: the disk is full.
            ValueError: it is too large to be sent.
        """
        self._blocks.put((map_task, partition), sendable(block, "a block"))

    def own_blocks(
        self, map_tasks: Sequence[int], partition: int
    ) -> Iterator[bytes]:
        """Yield blocks of map tasks that were done here."""
        for map_task in map_tasks:
            block = self.block(map_task, partition)
            assert block is not None, "it has reported that task as done"
            yield block

    def block(self, map_task: int, partition: int) -> bytes | None:
        """Return a block; None: it was not made here. Runs in: any thread."""
        return self._blocks.get((map_task, partition))


def sendable(data: bytes, what: str) -> bytes:
    """Refuse data that no frame can carry, as an error of its task."""
    if len(data) > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"{what} of {len(data):,} bytes cannot be sent (at most "
            f"{MAX_PAYLOAD_BYTES:,}): cut the work into more, smaller tasks"
        )
    return data
