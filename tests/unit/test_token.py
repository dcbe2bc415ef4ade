"""The token file: made once, private, and clear about what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minimr.net import token as module
from minimr.net.token import (
    TOKEN_BYTES,
    VARIABLE,
    TokenError,
    load_token,
    token_path,
)

PROCESSES = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cluster" / "token"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_first_start_makes_a_token_and_the_next_reads_it(
    path: Path,
) -> None:
    token = load_token(path)
    assert len(token) == TOKEN_BYTES
    assert load_token(path) == token
    assert os.listdir(path.parent) == ["token"]


def test_two_tokens_are_not_alike(path: Path) -> None:
    assert load_token(path) != load_token(path.with_name("other"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_user_can_read_it_whatever_the_umask(
    path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        load_token(path)
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_token_that_others_can_use_is_refused(path: Path, bits: int) -> None:
    load_token(path)
    path.chmod(bits)
    with pytest.raises(TokenError, match=f"chmod 600 {path}"):
        load_token(path)


def test_a_link_is_refused_and_its_target_named(path: Path) -> None:
    load_token(path)
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(TokenError, match="is a link") as caught:
        load_token(link)
    assert f"set {VARIABLE} to {path}" in str(caught.value)


def test_a_link_to_nowhere_is_refused_and_not_followed(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.with_name("of somebody else"))
    with pytest.raises(TokenError, match="is a link"):
        load_token(path)
    assert os.listdir(path.parent) == ["token"]


def test_what_is_no_file_is_refused_without_waiting(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(TokenError, match="no regular file"):
        load_token(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    load_token(path)
    os.chown(path, 12345, -1)
    with pytest.raises(TokenError, match=r"belongs to another user \(12345\)"):
        load_token(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user_is_refused(path: Path) -> None:
    load_token(path)
    os.chown(path.parent, 12345, -1)
    with pytest.raises(TokenError, match=VARIABLE):
        load_token(path)


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(
    path: Path, bits: int
) -> None:
    load_token(path)
    path.parent.chmod(bits)
    with pytest.raises(TokenError, match=f"chmod go-w {path.parent}"):
        load_token(path)


@pytest.mark.parametrize("bits", [0o1777, 0o755, 0o500])
def test_a_folder_where_nobody_replaces_it_is_taken(
    path: Path, bits: int
) -> None:
    token = load_token(path)
    path.parent.chmod(bits)
    assert load_token(path) == token


@pytest.mark.parametrize("bits", [0o600, 0o400])
def test_a_private_token_is_taken(path: Path, bits: int) -> None:
    token = load_token(path)
    path.chmod(bits)
    assert load_token(path) == token


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (b"", "holds 0 bytes, not 32"),
        (b"ab" * 31, "holds 31 bytes, not 32"),
        (b"ab" * 33, "holds 33 bytes, not 32"),
        (b"a" * 63, "is not 32 bytes in hex"),
        (b"xy" * 32, "is not 32 bytes in hex"),
        (b"\xff\xfe" * 32, "is not 32 bytes in hex"),
        ("٣".encode() * 64, "is not 32 bytes in hex"),
    ],
)
def test_a_bad_token_file_is_refused_and_named(
    path: Path, contents: bytes, why: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(contents)
    path.chmod(0o600)
    with pytest.raises(TokenError, match=why) as caught:
        load_token(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == contents


def test_white_space_around_a_token_does_no_harm(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("\n " + "ab" * 32 + "\r\n")
    path.chmod(0o600)
    assert load_token(path) == b"\xab" * 32


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "token"
    with pytest.raises(TokenError, match=VARIABLE) as caught:
        load_token(path)
    assert str(path) in str(caught.value)


def test_the_variable_says_where_the_token_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(path))
    assert token_path() == path
    assert load_token() == load_token(path)


def test_without_the_variable_it_is_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert token_path() == tmp_path / ".minimr" / "token"


def test_who_comes_second_takes_the_token_of_the_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link
    made = []

    def late(draft: Path, target: Path) -> None:
        monkeypatch.setattr(module.os, "link", link)
        made.append(load_token(path))  # somebody else is quicker
        link(draft, target)

    monkeypatch.setattr(module.os, "link", late)
    assert load_token(path) == made[0]
    assert os.listdir(path.parent) == ["token"]


def test_first_starts_in_many_processes_agree(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from minimr.net.token import load_token\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        f"print(load_token(Path({str(path)!r})).hex())"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(PROCESSES)
    ]
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"
    for start in starts:  # now, all of them
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
    tokens = {start.communicate(timeout=20)[0] for start in starts}
    assert tokens == {load_token(path).hex() + "\n"}
    assert os.listdir(path.parent) == ["token"]
