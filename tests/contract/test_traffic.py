"""No bucket passes through the driver: what its ends really receive."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.net import hub, peer
from minimr.net.frames import FrameReader
from minimr.sockets import mapreduce
from ray_impl import mapreduce as on_verbs
from tests.contract.conftest import only_on
from tests.stage import Stage
from tests.table import Table

PAYLOAD_BYTES = 2**18
SHUFFLE_BYTES = 8 * 6 * PAYLOAD_BYTES


def test_the_coordinator_receives_no_block(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[int] = []
    sent: list[int] = []

    class WeighingReader(FrameReader):
        def advance(self, size: int) -> list[list[bytearray]]:
            received.append(size)
            return super().advance(size)

    def weighing_vectors(*arguments: Any) -> list[memoryview]:
        buffers = vectors(*arguments)
        sent.extend(buffer.nbytes for buffer in buffers)
        return buffers

    vectors = peer.vectors
    monkeypatch.setattr(hub, "FrameReader", WeighingReader)
    monkeypatch.setattr(peer, "vectors", weighing_vectors)
    table = Table(stage.address, 8, 6, PAYLOAD_BYTES)
    with mapreduce.MapReduce(2) as engine:
        result = engine.run(table.job(), range(table.maps), table.reduces)
        assert result.stats.shuffle_bytes > SHUFFLE_BYTES
        assert 0 < sum(received) < SHUFFLE_BYTES / 500
        assert 0 < sum(sent) < SHUFFLE_BYTES / 500
        assert result.merged() == table.expected()


@only_on("minimr", "ray")
def test_a_driver_that_handles_references_never_asks_for_a_block(
    engine: Any, stage: Stage
) -> None:
    name = engine.name
    verbs = importlib.import_module(name)
    asked: list[Any] = []

    def weighing_get(refs: Any, **options: Any) -> Any:
        values = verbs.get(refs, **options)
        asked.extend(values)
        return values

    api = SimpleNamespace(**{name: getattr(verbs, name) for name in VERBS})
    api.get = weighing_get
    table = Table(stage.address, 8, 6, PAYLOAD_BYTES)
    engine = on_verbs.MapReduce(2, api=api)
    result = engine.run(table.job(), range(table.maps), table.reduces)
    assert result.stats.shuffle_bytes > SHUFFLE_BYTES
    assert result.merged() == table.expected()
    assert asked, "or nothing was looked at"
    assert not [value for value in asked if isinstance(value, bytes)]


VERBS = (
    *("is_initialized", "init", "remote", "get", "wait", "put", "cancel"),
    *("get_runtime_context", "cluster_resources", "exceptions", "__name__"),
)
