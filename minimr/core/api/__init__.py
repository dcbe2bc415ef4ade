"""What a program on rung 2 sees: Ray's verbs, `@remote`, and its options.

    user code ── verbs, remote, session ──> minimr.core (processes, sockets)
                                      └───> local       (local mode: neither)

Where to begin: `verbs.py` has get, put and wait, `remote.py` what becomes
of a function, `session.py` what `init` starts. Actors are in
`actors.py` and the context in `context.py`; `minimr/actor.py` and
`minimr/runtime_context.py` give them at Ray's addresses. Nothing else of
`minimr.core` knows this package.
"""
