"""Says in words what is wrong in a student's functions: `minimr check`.

    NOTEBOOK ─> source ─────> functions ─┐          a process of its own
                                         ├─> part2, part3 ──> findings
    engine ──> recorder ────> verbs ─────┘       │
                                                 └─> forms: text, JSON, ...

Nothing here goes by time: who waits for whom is read off the calls of the
verbs, in their order.
"""
