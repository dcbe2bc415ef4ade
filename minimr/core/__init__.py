"""Ray's core, small: tasks, actors and objects.

    user code ── api ── Runtime ──────── sockets ──────── Runtime ── user code
    (driver)           owner of its      │                (worker)
                       objects, tasks    │
                       and leases        node: resources, pool, store
                                         head: control store

Where to begin: `messages.py` is what travels, `leases.py` follows a task
from its owner to a worker, `leasing.py` is the other side, `objects.py` is
what a reference stands for. What a program calls is in `minimr/api`.
`docs/architecture.md` walks through four flows.
"""
