"""A process that spins: how much of a core does it get, and how fast is that?

    python -m benchmarks.lab.spinner SECONDS

Its output is one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

COUNTS = 1000  # per look at the clock


def main(seconds: float) -> None:
    """Count until the time is up."""
    counts, start, used = 0, time.monotonic(), time.process_time()
    while time.monotonic() < start + seconds:
        for _ in range(COUNTS):
            pass
        counts += COUNTS
    found = {
        "cpu_seconds": time.process_time() - used,
        "seconds": time.monotonic() - start,
        "counts": counts,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]))
