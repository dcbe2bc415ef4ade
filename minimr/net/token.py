"""The secret that makes processes one cluster.

Whoever can connect to a server that unpickles can run code in it. So on every
connection both ends first prove that they have this token (`handshake.py`).
It is made at the first start and kept in a file that only its user can
read. Another machine joins with a copy of the file.

Rule: the file is used only if nobody else can have put it there or changed
it. Whoever else knows the token can run code here.

Ray: the token file of `RAY_AUTH_MODE=token`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from minimr.system import machine

TOKEN_BYTES = 32
MAX_BYTES = 1000  # of the file: in hex, with white space around it
VARIABLE = "MINIMR_TOKEN_FILE"


class TokenError(RuntimeError):
    """The token file cannot be made, cannot be read or is not private."""


def token_path() -> Path:
    """Return the token's path: $MINIMR_TOKEN_FILE, or ~/.minimr/token.

    Raises:
        TokenError: this user has no home folder.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    try:
        return Path.home() / ".minimr" / "token"
    except RuntimeError:
        raise TokenError(
            f"this user has no home folder for the token: set {VARIABLE} to "
            "a file that only you can read"
        ) from None


def load_token(path: Path | None = None) -> bytes:
    """Return the token; make one if there is none yet.

    Raises:
        TokenError: names the path and what to do.
    """
    path = path or token_path()
    try:
        if not os.path.lexists(path):
            _make(path)
        _check_folder(path.parent)
        token = bytes.fromhex(_read_private(path).decode("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        raise TokenError(
            f"the token file {path} is not {TOKEN_BYTES} bytes in hex: "
            "copy it again from the head, or delete it to get a new token"
        ) from None
    except OSError as error:
        raise TokenError(
            f"cannot use the token file {path}: {error.strerror}; "
            f"set {VARIABLE} to a file that you can write"
        ) from error
    if len(token) != TOKEN_BYTES:
        raise TokenError(
            f"the token file {path} holds {len(token)} bytes, not "
            f"{TOKEN_BYTES}: copy it again from the head"
        )
    return token


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which others can replace our file by theirs."""
    about = folder.stat()
    if about.st_uid not in (0, os.geteuid()):
        raise TokenError(
            f"the folder {folder} of the token file belongs to another user "
            f"({about.st_uid}): set {VARIABLE} to a file in a folder of yours"
        )
    others = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    # In a sticky folder, such as /tmp, nobody can replace another's files.
    if others and not about.st_mode & stat.S_ISVTX:
        raise TokenError(
            f"others may write to the folder {folder} of the token file: run "
            f"`chmod go-w {folder}`, or set {VARIABLE} to a file elsewhere"
        )


def _read_private(path: Path) -> bytes:
    """Return the content of a file that only this user can read."""
    if path.is_symlink():
        raise TokenError(
            f"the token file {path} is a link, which may lead to a file of "
            f"somebody else: put a copy there, or set {VARIABLE} to "
            f"{path.resolve()}"
        )
    # A link or a pipe that was put there since is not followed or waited for.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(path, "rb", opener=lambda p, _: os.open(p, flags)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise TokenError(f"the token file {path} is no regular file")
        if about.st_uid != os.geteuid():
            raise TokenError(
                f"the token file {path} belongs to another user "
                f"({about.st_uid}), who can change it: put a copy of your "
                f"own there, or set {VARIABLE} to one"
            )
        if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise TokenError(
                f"the token file {path} can be read by others: run "
                f"`chmod 600 {path}`, or delete it to get a new token"
            )
        return file.read(MAX_BYTES)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(
        f"{path.name}.{machine.pid()}.{machine.random_bytes(4).hex()}"
    )
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(machine.random_bytes(TOKEN_BYTES).hex() + "\n")
        # A link, not a rename: of two first starts one makes the token, and
        # the other reads that.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
