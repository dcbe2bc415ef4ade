"""From one node to five: `python -m benchmarks scaling`.

    run ── a lab per engine ─> grow 1, 2, ... 5 nodes ─> each workload
     └──> points/*.json ──> summary ──> tables, pictures

Each point is on disk as soon as it is measured, so a run that was stopped
continues where it was.
"""
