"""Ray's core, small: tasks, actors and objects, as a process has them.

    user code ── api ── Runtime ──────── sockets ──────── Runtime ── user code
    (driver)           owner of its      │                (worker)
                       objects, tasks    │
                       and leases        node, control store: `minimr/node`

What a driver and its workers do themselves; the processes that they ask for
workers, room and names are the nodes. Nothing here imports their code: they
are known by `messages.py`.

Where to begin: `messages.py` is what travels, `leases.py` follows a task
from its owner to a worker, `worker.py` runs it, `objects.py` is what a
reference stands for. What a program calls is in `minimr/api`.
`docs/architecture.md` walks through four flows.

Ray hides this in its core worker.
"""
