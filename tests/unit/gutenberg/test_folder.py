"""What a download does when the folder is the trouble."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from minimr.datasets.gutenberg import download
from minimr.datasets.partial_file import FolderError
from tests.unit.gutenberg.book_server import BOOK


@pytest.mark.parametrize("parent", ["a file", "/proc/self"])
def test_a_folder_that_cannot_be_made_is_one_clear_error(
    tmp_path, server, settings, parent
):
    (tmp_path / "a file").write_bytes(b"")
    for folder in (tmp_path / parent / "books", tmp_path / "a file"):
        with pytest.raises(FolderError, match="cannot write into"):
            download(folder, [11], settings)
    assert server.requests == []


def test_a_folder_that_cannot_be_written_ends_the_run(server, settings):
    with pytest.raises(FolderError, match="cannot write into /proc/self"):
        download(Path("/proc/self"), [11, 12], settings)
    assert len(server.requests) == 1


def test_a_book_has_its_name_only_when_it_is_on_the_disk(
    tmp_path, server, settings, monkeypatch
):
    synced = []

    def fsync(descriptor):
        assert not (tmp_path / "pg11.txt").exists()
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    download(tmp_path, [11], settings)
    assert synced == [len(BOOK)]


def test_a_full_disk_is_one_clear_error_and_keeps_the_part(
    tmp_path, server, settings
):
    with files_of_at_most(100_000), pytest.raises(FolderError) as caught:
        download(tmp_path, [11, 12], settings)
    assert str(tmp_path) in str(caught.value)
    assert os.strerror(errno.EFBIG) in str(caught.value)
    assert len(server.requests) == 1
    assert download(tmp_path, [11], settings).resumed == [11]
    assert server.ranges == [None, "bytes=100000-"]
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK


@contextmanager
def files_of_at_most(size):
    """Let the kernel refuse longer files, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_two_downloads_into_one_folder_do_not_mix(tmp_path, server, settings):
    def start_another(now):
        download(tmp_path, [11], settings)

    with pytest.raises(FolderError, match="another download"):
        download(tmp_path, [11], settings, start_another)
    assert download(tmp_path, [11], settings).failed == []
    assert (tmp_path / "pg11.txt").read_bytes() == BOOK
