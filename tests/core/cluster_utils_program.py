"""A program that starts its own nodes, on either module.

    python cluster_utils_program.py MODULE FILE

It writes what it saw as JSON to FILE.
"""

import importlib
import json
import sys

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def main(module, file):
    """Start three nodes, lose one, end all."""
    ray = importlib.import_module(module)
    utils = importlib.import_module(f"{module}.cluster_utils")
    seen = {}
    try:
        utils.Cluster(connect=True)
    except RuntimeError:
        seen["refuses to connect to nothing"] = True
    cluster = utils.Cluster(
        initialize_head=True, connect=True, head_node_args=NODE
    )

    def cpus():
        return ray.cluster_resources()["CPU"]

    def alive():
        return sum(node["Alive"] for node in ray.nodes())

    seen["cpus of the head"] = cpus()
    other = cluster.add_node(**NODE, resources={"disk": 2})
    third = cluster.add_node(**NODE)
    seen["alive"] = alive()
    seen["all"] = len(cluster.list_all_nodes())
    seen["workers"] = len(cluster.worker_nodes)
    seen["head first"] = cluster.list_all_nodes()[0] is cluster.head_node

    @ray.remote(resources={"disk": 1})
    def where():
        return ray.get_runtime_context().get_node_id()

    seen["ran there"] = ray.get(where.remote()) == other.node_id

    @ray.remote(num_cpus=0)
    def node_id():
        return ray.get_runtime_context().get_node_id()

    def chosen(selector):
        labelled = node_id.options(label_selector={"zone": selector})
        return ray.get([labelled.remote() for _ in range(4)])

    labelled = cluster.add_node(**NODE, labels={"zone": "east"})
    seen["zone"] = [
        {*chosen("east")} == {labelled.node_id},
        {*chosen("in(west,east)")} == {labelled.node_id},
        labelled.node_id not in chosen("!east"),
        labelled.node_id not in chosen("!in(west,east)"),
    ]
    seen["label of the node"] = [
        node["Labels"]["zone"]
        for node in ray.nodes()
        if node["NodeID"] == labelled.node_id
    ]
    cluster.remove_node(labelled)
    cluster.remove_node(third, allow_graceful=False)
    cluster.wait_for_nodes()
    seen["alive after one was removed"] = alive()
    try:
        cluster.remove_node(cluster.head_node)
    except ValueError:
        seen["refuses to break its driver"] = not ray.is_initialized()
    ray.init(address=cluster.address)
    seen["joins again"] = alive()
    ray.shutdown()
    cluster.shutdown()
    seen["all at the end"] = len(cluster.list_all_nodes())
    with open(file, "w") as output:
        json.dump(seen, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
