"""Five nodes on one machine: `python -m benchmarks lab --help`.

    cli ──> Lab ──┬── Ground      what nodes stand on, and how to get in
                  │     Namespaces │ Loopback │ Hosts
                  ├── engines     what runs in a node: `minimr start`,
                  │               `ray start`, as on any machine
                  └── Journal     what was made, written down before

Rules:

1. Everything is noted in the journal before it is made, and `down` removes
   what is noted there and nothing else, even after a `kill -9`.
2. A process is killed by its id, and only if it is in a node.
"""
