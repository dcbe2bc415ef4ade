"""The pictures that a network learns: a folder in CIFAR-10's own format."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.optimisation import data_parallel
from examples.optimisation._resnet import load_pictures

pytestmark = pytest.mark.timeout(240)  # the first one starts both engines
PICTURES = 10  # in a file; CIFAR's has 10,000


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """Write two files as CIFAR-10 has them: pickles of Python 2."""
    rng = np.random.default_rng(0)
    for number in (1, 2):
        batch = {
            "data": rng.integers(256, size=(PICTURES, 3072), dtype=np.uint8),
            "labels": [number] * PICTURES,
        }
        text = pickle.dumps(batch, protocol=2)
        for name in batch:  # a str of Python 2 is bytes
            new = b"X" + len(name).to_bytes(4, "little") + name.encode()
            assert new in text
            text = text.replace(new, b"U" + bytes([len(name)]) + name.encode())
        (tmp_path / f"data_batch_{number}").write_bytes(text)
    (tmp_path / "batches.meta").write_bytes(b"is none of them")
    return tmp_path


def test_a_picture_is_three_planes_of_rows(cifar: Path) -> None:
    x, y = load_pictures(str(cifar))
    assert x.shape == (2 * PICTURES, 3, 32, 32)
    assert y.tolist() == [1] * PICTURES + [2] * PICTURES
    batch = pickle.loads(
        (cifar / "data_batch_2").read_bytes(), encoding="bytes"
    )
    bytes_of = batch[b"data"][4]
    for colour, row, column in (0, 0, 1), (1, 2, 3), (2, 31, 31):
        byte = bytes_of[1024 * colour + 32 * row + column]
        seen = x[PICTURES + 4, colour, row, column]
        assert seen == np.float32(byte / 255)


def test_a_folder_without_such_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"no file .*/data_batch_"):
        load_pictures(str(tmp_path))


def test_a_network_learns_cifar_on_actors(
    engines: dict[str, Any], cifar: Path
) -> None:
    ends = data_parallel.main(
        engines["minimr"], steps=2, batch=4, cifar=str(cifar)
    )
    assert ends.keys() == {"server", "ring"}  # it has judged both itself
