"""How much this machine computes on all workers' cores, without a runtime.

peak() ── a line: begin ──> processes, each spins
       <─ iterations per second ──
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.arena.work import spin

ROOT = Path(__file__).parents[2]
FIRST = 100_000  # iterations, to know how many are a measurement


def peak(workers: int, seconds: float) -> float:
    """Return iterations of `spin` per second of so many processes at once."""
    iterations = max(FIRST, int(_rate(FIRST) * seconds))
    command = [sys.executable, "-m", __name__, str(iterations)]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        for _ in range(workers)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("begin\n")
    return sum(float(process.communicate()[0]) for process in processes)


def _rate(iterations: int) -> float:
    begun = time.perf_counter()
    spin(iterations)
    return iterations / (time.perf_counter() - begun)


def _spin() -> None:
    """Spin when we are told to. Runs in: a process of `peak`."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{_rate(int(sys.argv[1]))}\n")


if __name__ == "__main__":
    _spin()
