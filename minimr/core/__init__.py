"""Ray's core, small: tasks, actors and objects.

    user code ── api ── Runtime ──────── sockets ──────── Runtime ── user code
    (driver)           owner of its      │                (worker)
                       objects, tasks    │
                       and leases        node ── control store (in the head)

`api` is what a program calls, `process` what a driver and its workers do,
`node` and `control` the processes that they ask for workers, memory and
names. These know each other by `messages.py` only.

Where to begin: `messages.py` is what travels, `process/leases.py` follows a
task from its owner to a worker, `process/executor.py` runs it, and
`process/ownership.py` is what a reference stands for.
`docs/architecture.md` walks through four flows.

Ray hides this in its core worker, raylet and GCS.
"""
