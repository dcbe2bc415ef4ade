"""The limits of the machine itself, beside the microbenchmark.

Two processes with a bare socket, and one copy of memory. The difference to
these is what a runtime costs.
"""

from __future__ import annotations

import multiprocessing
import pickle
import socket
import time

from minimr.system.leaving import deaf

MESSAGE = (b"t" * 14, b"f" * 16, b"", (), 1, 0)
BATCH = 100


def echo(connection: socket.socket) -> None:
    """Answer each message until the other end closes."""
    while data := connection.recv(1 << 20):
        connection.sendall(data)


def socket_rates(seconds: float) -> tuple[float, float]:
    """Return messages per second: one by one, and many under way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        connection, _ = server.accept()
    for end in (client, connection):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_serve, args=(connection, client))
    with deaf():
        process.start()
    connection.close()
    try:
        return _rate(client, 1, seconds), _rate(client, BATCH, seconds)
    finally:
        client.close()
        process.join(10)


def _serve(connection: socket.socket, other: socket.socket) -> None:
    other.close()
    echo(connection)


def _rate(client: socket.socket, batch: int, seconds: float) -> float:
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        data = b"".join(pickle.dumps(MESSAGE) for _ in range(batch))
        client.sendall(data)
        left = len(data)
        while left:
            part = client.recv(left)
            left -= len(part)
        count += batch
    return count / took


def copy_gigabytes(seconds: float) -> float:
    """Return gigabytes per second of copying memory that is already mapped."""
    import numpy as np

    source = memoryview(np.zeros(1 << 29, dtype=np.uint8))
    target = memoryview(np.ones(1 << 29, dtype=np.uint8))
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        target[:] = source
        count += 1
    return count * source.nbytes / 1e9 / took
