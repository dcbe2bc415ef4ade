"""The nodes of a `Cluster` end with the program, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

PROGRAM = """
import sys
from minimr.cluster_utils import Cluster
cluster = Cluster()
for _ in range(2):
    cluster.add_node()
print(*(node.process.pid for node in cluster.list_all_nodes()), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_node_outlives_the_program(how: signal.Signals | None) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    nodes = [psutil.Process(int(p)) for p in program.stdout.readline().split()]
    assert len(nodes) == 2
    if how is None:  # its end
        program.stdin.write("\n")
        program.stdin.flush()
    else:
        os.kill(program.pid, how)
    program.wait(20)
    _, alive = psutil.wait_procs(nodes, timeout=20)
    assert alive == []
    program.stdin.close()
    program.stdout.close()
