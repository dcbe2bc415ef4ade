"""One of three nodes is killed, and all that ran there runs elsewhere.

Watch: the lanes of one node end at the same moment, and its tasks begin
again on the other two.
"""

import threading
import time
from importlib import import_module
from typing import Any


def start(api: Any) -> Any:
    """Start a cluster of three nodes with two CPUs each."""
    module = import_module(f"{api.__name__}.cluster_utils")
    cluster = module.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2}
    )
    cluster.add_node(num_cpus=2)
    cluster.doomed = cluster.add_node(num_cpus=2)
    api.init(address=cluster.address)
    cluster.wait_for_nodes()
    return cluster


def main(api: Any, cluster: Any) -> None:
    """Run 18 tasks, and kill a node after half a second."""

    @api.remote(scheduling_strategy="SPREAD")
    def work(number: int) -> int:
        time.sleep(0.4)
        return number

    tasks = [work.remote(number) for number in range(18)]
    arguments = cluster.doomed, False  # not gracefully
    killer = threading.Timer(0.5, cluster.remove_node, arguments)
    killer.start()
    assert api.get(tasks) == list(range(18))
    killer.join()
    print("all 18 results are there, though a node was killed")
