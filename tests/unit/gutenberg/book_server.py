"""A real HTTP server of books that misbehaves as a test tells it to.

Every request takes the next behaviour of the script; when the script is
over, the server behaves: ranges, ETag and If-Range, 404 for what it lacks.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOOK = "".join(f"Zeile {n} – «Straße»\n" for n in range(9_000)).encode()
DEADLINE_S = 20  # on every wait; nothing comes near it


class BookServer(ThreadingHTTPServer):
    """Serves `books`, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.books: dict[int, bytes] = {}
        self.etag = '"first"'  # "": none
        self.script: deque[Behaviour] = deque()
        self.requests: list[tuple[int, Message]] = []  # (book, headers)
        self.taken = threading.Semaphore(0)  # behaviours, of the script
        self.stalled = threading.Event()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of every request, in order."""
        return [headers["Range"] for _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    """One request: `behave`, or what the script has next."""

    server: BookServer

    def do_GET(self) -> None:
        book_id = int(self.path.rpartition("/pg")[2].removesuffix(".txt"))
        self.server.requests.append((book_id, self.headers))
        script = self.server.script
        behaviour = behave
        if script:
            behaviour = script.popleft()
            self.server.taken.release()
        if book_id not in self.server.books:
            behaviour = status(404)
        behaviour(self, self.server.books.get(book_id, b""))

    def answer(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if self.server.etag and "ETag" not in headers:
            self.send_header("ETag", self.server.etag)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


Behaviour = Callable[[Handler, bytes], None]


def behave(handler: Handler, body: bytes, sent: int | None = None) -> None:
    """Send the book or the rest of it; of that at most `sent` bytes."""
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    same = handler.headers["If-Range"] in (None, handler.server.etag)
    start = int(wanted.group(1)) if wanted and same else 0
    if start and start >= len(body):
        return handler.answer(416, Content_Length=0)
    if start:
        part = f"bytes {start}-{len(body) - 1}/{len(body)}"
        length = len(body) - start
        handler.answer(206, Content_Length=length, Content_Range=part)
    else:
        handler.answer(
            200, Content_Length=len(body), Content_Type="text/plain"
        )
    handler.wfile.write(body[start:][:sent])
    return None


def cut_after(sent: int) -> Behaviour:
    """Close the connection in good order, but too early."""
    return lambda handler, body: behave(handler, body, sent)


def reset_after(sent: int) -> Behaviour:
    """Break the connection off, as a machine does that restarts."""

    def reset(handler: Handler, body: bytes) -> None:
        behave(handler, body, sent)
        handler.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        handler.connection.shutdown = lambda how: None
        handler.connection.close()

    return reset


def hang_up(handler: Handler, body: bytes) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def stall_after(sent: int) -> Behaviour:
    """Send so many bytes, and nothing more until the test is over."""

    def stall(handler: Handler, body: bytes) -> None:
        behave(handler, body, sent)
        handler.wfile.flush()
        handler.server.stalled.set()
        handler.server.released.wait(DEADLINE_S)

    return stall


def silence(handler: Handler, body: bytes) -> None:
    """Take the request and never answer."""
    handler.server.released.wait(DEADLINE_S)


def status(code: int, **headers: object) -> Behaviour:
    """Answer with a status and no book."""
    return lambda handler, body: handler.answer(
        code, **{"Content_Length": 0, **headers}
    )


def ignore_range(handler: Handler, body: bytes) -> None:
    """Send all of it, whatever was asked."""
    del handler.headers["Range"]
    behave(handler, body)


def wrong_range(handler: Handler, body: bytes) -> None:
    """Send as many bytes as asked for, from one place too early."""
    asked = handler.headers["Range"] or "bytes=1-"
    start = int(asked.removeprefix("bytes=").removesuffix("-")) - 1
    part = f"bytes {start}-{len(body) - 2}/{len(body)}"
    length = len(body) - 1 - start
    handler.answer(206, Content_Length=length, Content_Range=part)
    handler.wfile.write(body[start:-1])


def longer_range(handler: Handler, body: bytes) -> None:
    """Send the rest that was asked for, and then some."""
    start = int(handler.headers["Range"][len("bytes=") : -1])
    part = f"bytes {start}-{len(body) - 1}/{len(body)}"
    length = len(body) - start + len(b"more")
    handler.answer(206, Content_Length=length, Content_Range=part)
    handler.wfile.write(body[start:] + b"more")


def send_as(**headers: object) -> Behaviour:
    """Send the book under other headers."""

    def send(handler: Handler, body: bytes) -> None:
        handler.answer(200, Content_Length=len(body), **headers)
        handler.wfile.write(body)

    return send


def without_length(handler: Handler, body: bytes) -> None:
    """Mark the end of the book by closing the connection only."""
    handler.answer(200)
    handler.wfile.write(body)


def chunked(end: bytes) -> Behaviour:
    """Send two chunks, which tell no length beforehand, and then `end`."""

    def send(handler: Handler, body: bytes) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.answer(200, Transfer_Encoding="chunked", Connection="close")
        for chunk in (body[:10], body[10:]):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        handler.wfile.write(end)

    return send


@contextmanager
def serving() -> Iterator[BookServer]:
    """Run a server on a free port of the loopback."""
    server = BookServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join(DEADLINE_S)
        server.server_close()
