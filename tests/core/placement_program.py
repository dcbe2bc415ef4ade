"""Where tasks and actors run, on three nodes, on either module.

    python placement_program.py MODULE FILE

It writes what it saw as JSON to FILE.
"""

import importlib
import json
import sys
import time
from collections import Counter

import numpy as np

T = 40
ROUNDS = 2
SIZE = 500_000  # 4 MB of float64: never inlined in a message


def lost_arguments(ray, cluster):
    """A reader holds the very resource that its argument is made with."""
    only = {"num_cpus": 0, "resources": {"lone": 1}}
    make = ray.remote(**only)(lambda: np.ones(SIZE))
    read = ray.remote(**only)(lambda array: float(array.sum()))

    @ray.remote(**only, max_restarts=-1, max_task_retries=-1)
    class Reader:
        def __init__(self, array):
            self.array = array

        def read(self):
            return float(self.array.sum())

    def replace(node):
        other = cluster.add_node(num_cpus=1, resources={"lone": 1})
        cluster.remove_node(node, allow_graceful=False)
        until = time.monotonic() + T
        while ray.cluster_resources().get("lone") != 1:
            assert time.monotonic() < until
            time.sleep(0.05)
        return other

    node = cluster.add_node(num_cpus=1, resources={"lone": 1})
    array = make.remote()
    ray.wait([array], fetch_local=False, timeout=T)
    node = replace(node)
    sums = [ray.get(read.remote(array), timeout=T)]
    actor = Reader.remote(array)
    sums.append(ray.get(actor.read.remote(), timeout=T))
    replace(node)
    sums.append(ray.get(actor.read.remote(), timeout=T))
    return [total / SIZE for total in sums]


def main(module, file):
    """Start three nodes and look at where things run."""
    ray = importlib.import_module(module)
    utils = importlib.import_module(f"{module}.cluster_utils")
    cluster, seen = utils.Cluster(), {}
    cluster.add_node(num_cpus=2)
    cluster.add_node(num_cpus=2, resources={"far": 1})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)

    def here():
        return ray.get_runtime_context().get_node_id()

    @ray.remote
    def where(*_):
        return here()

    @ray.remote
    class Actor:
        def where(self):
            return here()

    def all_is_free():
        until = time.monotonic() + T
        while ray.available_resources().get("CPU") != 6:
            assert time.monotonic() < until
            time.sleep(0.02)

    def actors_after_tasks():
        """Six actors fill the nodes that tasks have just left."""
        ray.get([where.remote() for _ in range(60)], timeout=T)
        actors = [Actor.options(num_cpus=1).remote() for _ in range(6)]
        places = ray.get([a.where.remote() for a in actors], timeout=T)
        return sorted(Counter(places).values())

    counts = []
    for _ in range(ROUNDS):
        counts.append(actors_after_tasks())
        all_is_free()
    seen["actors after tasks"] = counts

    actors = [Actor.remote() for _ in range(12)]
    places = ray.get([a.where.remote() for a in actors], timeout=T)
    seen["places of actors that hold nothing"] = len(set(places))
    del actors

    far = where.options(resources={"far": 0.1})
    make = ray.remote(resources={"far": 0.1})(lambda: np.zeros(SIZE))
    large = make.remote()
    ray.wait([large], fetch_local=False, timeout=T)
    there = ray.get(far.remote(), timeout=T)
    seen["tasks go to their arguments"] = [
        ray.get(where.remote(large), timeout=T) == there for _ in range(5)
    ]
    del large
    seen["lost arguments"] = lost_arguments(ray, cluster)
    ray.shutdown()
    cluster.shutdown()
    with open(file, "w") as output:
        json.dump(seen, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
