"""Which machine this is, as far as a connection can tell.

    client: its machine, its own address   ┐ the same? then this system
    server: its machine, who has dialled   ┘ itself carries each byte

A kernel has a connection from one address and port to another only once in
each of its networks (containers have their own). So where both ends are in
the same network of the same kernel and see the same two addresses
(`net/handshake.py`), nobody is between them, and only root can put a byte
in.
"""

from __future__ import annotations

import os
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
NETWORK = "/proc/thread-self/ns/net"


def machine() -> str:
    """Return a name of this kernel and network that no other has.

    Where the system does not tell, it is empty: then nobody relies on it.
    """
    try:
        return f"{BOOT.read_text().strip()} {os.stat(NETWORK).st_ino}"
    except OSError:
        return ""
