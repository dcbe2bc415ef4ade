"""The same tasks on one node, and then on four.

Watch: one lane, and then four. Sixteen tasks take a quarter of the time.
"""

import time
from importlib import import_module
from typing import Any


def start(api: Any) -> Any:
    """Start a cluster of one node with one CPU."""
    module = import_module(f"{api.__name__}.cluster_utils")
    one_cpu = {"num_cpus": 1}
    cluster = module.Cluster(initialize_head=True, head_node_args=one_cpu)
    import_module("ray_impl.cluster").join_cluster(api, cluster.address)
    return cluster


def main(api: Any, cluster: Any) -> None:
    """Run 16 tasks, add three nodes, and run them again."""

    @api.remote(scheduling_strategy="SPREAD")
    def work(number: int) -> tuple[int, str]:
        time.sleep(0.2)
        return number, api.get_runtime_context().get_node_id()

    def run(nodes: int) -> float:
        api.get([work.remote(n) for n in range(4 * nodes)])  # workers there
        begin = time.perf_counter()
        done = api.get([work.remote(number) for number in range(16)])
        assert [number for number, _ in done] == list(range(16))
        assert len({node for _, node in done}) == nodes
        return time.perf_counter() - begin

    one = run(1)
    for _ in range(3):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    print(f"one node {one:.2f} s, four nodes {run(4):.2f} s")
