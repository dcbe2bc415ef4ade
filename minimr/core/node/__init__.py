"""The processes of a cluster that run no user code: nodes, one the head.

    owners ──── Demand, Release ────> node: resources, leases, workers
    processes ─ Create, Seal, Fetch ─> node: the object store ── Pull ── node
    everybody ─ nodes, actors, names ─> head: a node and the control store

One thread each, and no locks: a node decides, and never waits. It knows the
core's messages (`minimr/core/messages.py`) and nothing of its objects, tasks
and references; only `main.py` does, which forks the workers.

Where to begin: `leasing.py` says who gets which worker, `store.py` where
objects lie, `control.py` who is there.

Ray hides this in the raylet, plasma and the GCS.
"""
