"""From one node to five: `python -m benchmarks scaling`.

    run ── rounds of visits ─> a lab of one engine and N nodes ─> workloads
     └──> points/*.json ──> summary ──> tables, pictures, document

Each round is on disk as soon as it is measured, so a run that was stopped
continues where it was.
"""
