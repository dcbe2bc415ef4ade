"""What a program on rung 2 sees: Ray's verbs, `@remote`, and its options.

    user code ── verbs, remote, session ──> minimr.core (processes, sockets)
                                      └───> local       (local mode: neither)

Where to begin: `verbs.py` has get, put and wait, `remote.py` what
`@ray.remote` makes of a function, `session.py` what `init` starts. Actors are
in `actors.py` and the context in `context.py`; `minimr/actor.py` and
`minimr/runtime_context.py` have them under Ray's names. Nothing else in
`minimr.core` imports this package.
"""
