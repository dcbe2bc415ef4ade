"""One of three nodes is killed, and all that ran there runs elsewhere.

Watch: 18 tasks run twice. Then lanes end, and what they ran begins elsewhere.
"""

import threading
import time
from importlib import import_module
from typing import Any


def start(api: Any) -> Any:
    """Start a cluster of three nodes with two CPUs each."""
    module = import_module(f"{api.__name__}.cluster_utils")
    cluster = module.Cluster(True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    cluster.doomed = cluster.add_node(num_cpus=2)
    import_module("ray_impl.cluster").join_cluster(api, cluster.address)
    cluster.wait_for_nodes()
    import_module("ray_impl.cluster").warm_up(api)
    return cluster


def main(api: Any, cluster: Any) -> None:
    """Run 18 tasks, again, and kill a node after half a second."""

    @api.remote(scheduling_strategy="SPREAD")
    def work(number: int) -> int:
        time.sleep(0.4)
        return number

    def run() -> float:
        begin = time.perf_counter()
        assert api.get([work.remote(n) for n in range(18)]) == list(range(18))
        return time.perf_counter() - begin

    calm = run()
    kill = cluster.remove_node, (cluster.doomed, False)
    threading.Timer(0.5, *kill).start()
    print(f"18 tasks: {calm:.2f} s; with a node killed {run():.2f} s")
