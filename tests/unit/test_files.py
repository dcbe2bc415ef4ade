"""Results go where their path leads, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from minimr.system.files import (
    Draft,
    atomic_bytes_writer,
    atomic_writer,
    check_writable,
    put,
)

DEADLINE_S = 10.0
NULL, FULL = (1, 3), (1, 7)  # major and minor numbers of Linux


def write_text(path: Path) -> None:
    with atomic_writer(path) as file:
        file.write("new\n")


def write_bytes(path: Path) -> None:
    with atomic_bytes_writer(path) as file:
        file.write(b"new\n")


def write_draft(path: Path) -> None:
    draft = Draft(path)
    Path(draft.name).write_text("new\n")
    draft.put()


def write_and_put(path: Path) -> None:
    draft = path.parent / "made elsewhere"
    draft.write_text("new\n")
    put(draft, path)


WRITERS = [write_text, write_bytes, write_draft, write_and_put]
every_writer = pytest.mark.parametrize("write", WRITERS)
Write = Callable[[Path], None]


def device(path: Path, number: tuple[int, int], kind: int) -> Path:
    try:
        os.mknod(path, kind | 0o666, os.makedev(*number))
        with open(path, "rb"):
            pass
    except PermissionError:
        pytest.skip("only root may make devices, and not everywhere")
    return path


@every_writer
def test_a_file_is_written_and_nothing_is_left_beside_it(
    tmp_path: Path, write: Write
) -> None:
    path = tmp_path / "out.txt"
    for _ in range(2):
        check_writable(path)
        write(path)
        assert path.read_text() == "new\n"
        assert os.listdir(tmp_path) == ["out.txt"]


@every_writer
def test_a_link_stays_a_link_and_what_it_names_is_replaced(
    tmp_path: Path, write: Write
) -> None:
    (tmp_path / "deep").mkdir()
    target = tmp_path / "deep" / "target.txt"
    target.write_text("old")
    (tmp_path / "one").symlink_to("deep/target.txt")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    check_writable(tmp_path / "two")
    write(tmp_path / "two")
    assert target.read_text() == "new\n"
    assert (tmp_path / "two").is_symlink()
    assert (tmp_path / "one").is_symlink()
    assert os.listdir(tmp_path / "deep") == ["target.txt"]


@every_writer
def test_a_link_to_nothing_makes_what_it_names(
    tmp_path: Path, write: Write
) -> None:
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new\n"


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    for refuse in (check_writable, Draft):
        with pytest.raises(OSError, match="Too many levels") as told:
            refuse(tmp_path / "link")
        assert told.value.filename == str(tmp_path / "link")


@every_writer
def test_the_permissions_of_a_file_outlive_its_content(
    tmp_path: Path, write: Write
) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o640)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_a_file_outlives_its_content(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    os.chown(path, 12345, 54321)
    write_text(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_a_new_file_has_the_permissions_that_open_would_give(
    tmp_path: Path,
) -> None:
    (tmp_path / "usual").write_text("")
    write_text(tmp_path / "ours")
    usual = (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "ours").stat().st_mode == usual


@every_writer
def test_a_pipe_is_written_into_and_stays_a_pipe(
    tmp_path: Path, write: Write
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    check_writable(path)
    came: list[str] = []
    reader = threading.Thread(
        target=lambda: came.append(path.read_text()), daemon=True
    )
    reader.start()
    write(path)
    reader.join(DEADLINE_S)
    assert came == ["new\n"]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@every_writer
def test_a_device_is_written_into_and_stays_a_device(
    tmp_path: Path, write: Write
) -> None:
    path = device(tmp_path / "null", NULL, stat.S_IFCHR)
    check_writable(path)
    write(path)
    assert stat.S_ISCHR(path.stat().st_mode)
    (tmp_path / "link").symlink_to("null")
    write(tmp_path / "link")
    assert stat.S_ISCHR(path.stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["link", "null"]


@every_writer
def test_a_device_that_is_full_says_so(tmp_path: Path, write: Write) -> None:
    path = device(tmp_path / "full", FULL, stat.S_IFCHR)
    with pytest.raises(OSError, match="No space left") as told:
        write(path)
    assert told.value.filename == str(path)
    assert stat.S_ISCHR(path.stat().st_mode)


@every_writer
def test_a_file_that_a_process_has_open_is_written_into(
    tmp_path: Path, write: Write
) -> None:
    path = tmp_path / "redirected"
    with path.open("w") as file:
        file.write("said before\n")
        file.flush()
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{file.fileno()}")
        check_writable(tmp_path / "stdout")
        write(tmp_path / "stdout")
        assert os.fstat(file.fileno()).st_ino == path.stat().st_ino
    assert path.read_text() == "said before\nnew\n"


def test_a_disk_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_writable(tmp_path / "folder")
    try:  # a number that no disk of this machine has
        os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o600, os.makedev(259, 999))
    except PermissionError:
        pytest.skip("only root may make devices, and not everywhere")
    with pytest.raises(OSError, match="it is a disk"):
        write_text(tmp_path / "disk")
    assert stat.S_ISBLK((tmp_path / "disk").stat().st_mode)


@pytest.mark.parametrize("write", [write_text, write_bytes])
def test_when_the_disk_is_full_the_old_file_stays(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        write(path)
    assert told.value.filename == str(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_whoever_fails_while_writing_leaves_the_old_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with (
        contextlib.suppress(ZeroDivisionError),
        atomic_writer(path) as file,
    ):
        file.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_draft_with_a_fixed_name_takes_the_place_of_a_dead_one(
    tmp_path: Path,
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (tmp_path / "out.draft").symlink_to(victim)
    draft = Draft(tmp_path / "out", "out.draft")
    Path(draft.name).write_text("ours")
    draft.put()
    assert victim.read_text() == "theirs"
    assert (tmp_path / "out").read_text() == "ours"
    assert not (tmp_path / "out").is_symlink()
