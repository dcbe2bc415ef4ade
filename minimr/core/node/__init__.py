"""The processes of a cluster that run no user code: nodes, one the head.

    owners ──── Demand, Release ────> node: resources, leases, workers
    processes ─ Create, Seal, Fetch ─> node: the object store ── Pull ── node
    everybody ─ nodes, actors, names ─> head: a node and the control store

One thread each, and no locks: a node decides, and never waits. It knows the
core's messages (`minimr/core/messages.py`) and nothing of its objects, tasks
and references; only `main.py` does, which forks the workers.

Where to begin: `Node.__init__` in `node.py` wires the parts; `leasing.py` says
which owner gets which worker, `object_store.py` where objects lie.

Ray hides this in the raylet, plasma and the GCS.
"""
