"""Five nodes on one machine: `python -m benchmarks lab --help`.

    cli ──> Lab ──┬── Ground      what nodes stand on, and how to get in
                  │     Namespaces │ Loopback │ Hosts
                  ├── engines     what runs in a node: `minimr start`,
                  │               `ray start`, as on any machine
                  └── Journal     what was made, written down before

Rules:

1. Nothing is made before the journal says so, and `down` removes what the
   journal says, no more: also after `kill -9` at any moment.
2. A process is ended by its number, and only if it stands in a node.
"""
