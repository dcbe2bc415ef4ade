"""The secret that makes processes one cluster.

Who can connect to a server that unpickles can run code in it, so every
connection proves first that both ends have this token (`handshake.py`).
It is made at the first start and kept in a file that only its user can
read. Another machine joins with a copy of the file.

Ray: the token file of `RAY_AUTH_MODE=token`.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

TOKEN_BYTES = 32
VARIABLE = "MINIMR_TOKEN_FILE"


class TokenError(RuntimeError):
    """The token file cannot be made, cannot be read or is not private."""


def token_path() -> Path:
    """Tell where the token is: $MINIMR_TOKEN_FILE, or ~/.minimr/token."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path.home() / ".minimr" / "token"


def load_token(path: Path | None = None) -> bytes:
    """Read the token, and make it where there is none yet.

    Raises:
        TokenError: with the path and what to do.
    """
    path = path or token_path()
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise TokenError(
                f"the token file {path} can be read by others: run "
                f"`chmod 600 {path}`, or delete it to get a new token"
            )
        token = bytes.fromhex(path.read_text("ascii").strip())
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


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(TOKEN_BYTES) + "\n")
        # A link, not a rename: of two first starts, one makes the token
        # and the other one takes it.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
