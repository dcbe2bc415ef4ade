"""Fetches one file over HTTP, so that an interruption costs little.

    this process        │ server
    Range, If-Range    ─┼─>
    start over         <┼─ 200, the whole file: we had no part of it, the file
                        │  has changed, or the server knows no ranges
    continue           <┼─ 206, the rest of the version that we have

Rules:

1. There are three kinds of errors, by what can follow: the same request
   again (transient), another file (permanent), nothing (the folder).
2. A response is used only if it says where it begins and ends: a rest must be
   of the same version, and a body must have a length or a marked end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from minimr.datasets.partial_file import IncompleteError, PartialFile, Version

USER_AGENT = "minimr (a teaching project; corpus download)"
CHUNK_BYTES = 65_536
HTML = ("text/html", "application/xhtml+xml")
TRANSIENT_STATUSES = {408, 416, 425, 429}  # and all from 500


class FetchError(Exception):
    """A file could not be fetched. The text says why."""


class PermanentError(FetchError):
    """The same request would get the same answer."""


class TransientError(FetchError):
    """The same request may succeed later."""

    retry_after_s = 0.0  # what the server asked for


class UnreachableError(TransientError):
    """The server could not be reached at all."""


OnBytes = Callable[[int, "int | None"], None]  # bytes so far, of how many


def fetch(url: str, path: Path, timeout_s: float, on_bytes: OnBytes) -> bool:
    """Fetch a file with one request, or the rest of it.

    Args:
        url: what to ask for, over http or https.
        path: where the whole file goes; its folder exists.
        timeout_s: for connecting, and for every wait for bytes.
        on_bytes: called with the bytes so far, and the total if known.

    Returns:
        Whether a partial file was continued.

    Blocks: until the file is whole, or `timeout_s` without a byte.

    Raises:
        TransientError: no connection, no bytes, too few bytes, a busy or
            broken server. What has arrived is kept.
        PermanentError: the server does not have the file, or does not send
            text.
        FolderError: the file cannot be written.
    """
    partial = PartialFile(path)
    resumed = partial.size > 0
    if not partial.is_whole():
        with _open(url, partial, timeout_s) as response:
            resumed = _accept(response, partial)
            for chunk in _chunks(response, timeout_s):
                partial.append(chunk)
                on_bytes(partial.size, partial.length)
    try:
        partial.finish()
    except IncompleteError as error:
        raise TransientError(str(error)) from error
    return resumed


def _open(url: str, partial: PartialFile, timeout_s: float) -> HTTPResponse:
    request = Request(url, headers={"User-Agent": USER_AGENT})
    if partial.version and partial.size:
        request.add_header("Range", f"bytes={partial.size}-")
        if partial.version.validator:
            request.add_header("If-Range", partial.version.validator)
    try:
        response: HTTPResponse = urlopen(request, timeout=timeout_s)
    except HTTPError as answer:
        with answer:
            if answer.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.discard()
            raise _refusal(answer) from None
    except URLError as error:  # of connecting only; reading raises others
        reason = getattr(error.reason, "strerror", None) or error.reason
        host = urlsplit(url).netloc
        raise UnreachableError(f"no connection to {host}: {reason}") from error
    except (OSError, HTTPException) as error:
        raise _broken(error, timeout_s) from error
    return response


def _accept(response: HTTPResponse, partial: PartialFile) -> bool:
    """Prepare the partial file for the body; return whether it continues."""
    kind = response.headers.get_content_type()
    if kind in HTML:
        raise PermanentError(f"the server sent a page ({kind}), not a text")
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise PermanentError(f"the server sent {coding}, not plain text")
    if response.status == HTTPStatus.OK:
        partial.restart(_new_version(response))
        return False
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        if _continues(response.headers, partial):
            return True
        partial.discard()
        raise TransientError("the file on the server has changed")
    raise TransientError(f"unexpected status {response.status}")


def _new_version(response: HTTPResponse) -> Version | None:
    if response.length is not None:
        return Version(response.length, _validator(response.headers))
    if response.chunked:  # its end is marked, but its length not known yet
        return None
    raise PermanentError("without a length, a cut text would go unnoticed")


def _continues(headers: Message, partial: PartialFile) -> bool:
    given = re.fullmatch(
        r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", "")
    )
    if given is None or partial.version is None:
        return False
    start, length = map(int, given.groups())
    validator = _validator(headers) or partial.version.validator
    return start == partial.size and partial.version == (length, validator)


def _validator(headers: Message) -> str:
    etag = headers.get("ETag", "")  # a weak one, W/"...", proves too little
    found = etag if etag.startswith('"') else headers.get("Last-Modified", "")
    return found if found.isprintable() else ""


def _chunks(response: HTTPResponse, timeout_s: float) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK_BYTES)
        except (OSError, HTTPException) as error:
            raise _broken(error, timeout_s) from error
        if not chunk:
            return
        yield chunk


def _broken(error: Exception, timeout_s: float) -> TransientError:
    if isinstance(error, TimeoutError):
        return TransientError(f"no bytes for {timeout_s:g} s")
    return TransientError(f"the connection broke: {str(error) or repr(error)}")


def _refusal(answer: HTTPError) -> FetchError:
    reason = f"the server answered {answer.code} {answer.reason}"
    if answer.code < 500 and answer.code not in TRANSIENT_STATUSES:
        return PermanentError(reason)
    error = TransientError(reason)
    error.retry_after_s = _retry_after_s(answer.headers)
    return error


def _retry_after_s(headers: Message) -> float:
    asked = headers.get("Retry-After", "")
    if re.fullmatch(r"[0-9]{1,9}", asked):
        return float(asked)
    try:  # a date, by the server's own clock
        then = parsedate_to_datetime(asked)
        now = parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, _utc(then) - _utc(now))


def _utc(moment: datetime) -> float:
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
