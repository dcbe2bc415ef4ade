"""A program on a cluster of processes: nodes join, work, die.

    python cluster_program.py MODULE FILE

It starts its nodes by the command line, `MODULE start ...`, as a student
does in five terminals, and writes what it saw as JSON to FILE.
"""

import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import psutil

T = 40
SIZE = 500_000  # 4 MB of float64: never inlined in a message
COMMAND = {
    "ray": "from ray.scripts.scripts import main; main()",
    "minimr": "from minimr.__main__ import main; main()",
}
ONLY_FOR_RAY = {
    "all": [
        "--node-ip-address=127.0.0.1",
        "--min-worker-port=0",
        "--max-worker-port=0",
    ],
    "head": ["--include-dashboard=false"],
    # Else a driver that joins does not show its token, and a dead node
    # is missed for 15 s.
    "environment": {
        "RAY_AUTH_MODE": "token",
        "RAY_health_check_period_ms": "300",
        "RAY_health_check_failure_threshold": "3",
    },
}


class Cluster:
    """A head and the nodes that join it, each a process with children."""

    def __init__(self, name):
        self.name = name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.nodes = []

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, resources):
        """Start the head or, when there is one, another node."""
        where = f"--address={self.address}"
        if not self.nodes:
            where = f"--head --port={self.port}"
        options = ["--num-cpus=2", f"--resources={json.dumps(resources)}"]
        if self.name == "ray":
            options += ONLY_FOR_RAY["all"]
            options += [] if self.nodes else ONLY_FOR_RAY["head"]
        node = psutil.Popen(
            [
                *[sys.executable, "-c", COMMAND[self.name], "start"],
                *[*where.split(), *options, "--block"],
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.nodes.append(node)
        return node

    def kill(self, node):
        """End a node as a power cut does."""
        family = [node, *node.children(recursive=True)]
        # Suspended first, so that none can tell, or start others. One that
        # ends by itself meanwhile is no matter.
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=T)

    def stop(self):
        for node in reversed(self.nodes):
            if node.is_running():
                self.kill(node)


def until(condition):
    deadline = time.monotonic() + T
    while True:
        try:
            if condition():
                return
        except ConnectionError:
            pass  # the head is not up yet
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.05)


def connect(ray, cluster):
    def joined():
        ray.init(address=cluster.address, log_to_driver=False)
        return True

    def listens():
        with socket.create_connection(("127.0.0.1", cluster.port), T):
            return True

    until(listens)
    until(joined)


def alive(ray):
    return [node for node in ray.nodes() if node["Alive"]]


def here(ray):
    return ray.get_runtime_context().get_node_id()


def two_nodes(ray, seen):
    """What runs where, and how data goes from node to node."""
    where = ray.remote(lambda: here(ray))
    at_head = where.options(resources={"head": 1})
    at_spot = where.options(resources={"spot": 1})
    head, spot = ray.get([at_head.remote(), at_spot.remote()], timeout=T)
    seen["driver is at the head"] = here(ray) == head
    seen["two places"] = {head, spot} == {n["NodeID"] for n in alive(ray)}
    seen["cpus"] = ray.cluster_resources()["CPU"]

    strategies = importlib.import_module(
        f"{ray.__name__}.util.scheduling_strategies"
    )
    there = strategies.NodeAffinitySchedulingStrategy(spot, soft=False)
    moved = where.options(scheduling_strategy=there)
    seen["affinity"] = ray.get(moved.remote(), timeout=T) == spot

    @ray.remote(scheduling_strategy="SPREAD")
    def spread():
        time.sleep(0.3)  # or one node is done before it looks full
        return here(ray)

    places = ray.get([spread.remote() for _ in range(8)], timeout=T)
    seen["spread"] = len(set(places))

    @ray.remote(resources={"spot": 1})
    def make(value):
        return np.full(SIZE, value)

    @ray.remote(resources={"head": 1})
    def total(array):
        return float(array.sum())

    ref = make.remote(2.0)
    ready, _ = ray.wait([ref], fetch_local=False, timeout=T)
    seen["ready far away"] = ready == [ref]
    seen["sum at the head"] = ray.get(total.remote(ref), timeout=T) / SIZE
    array = ray.get(ref, timeout=T)
    seen["read-only"] = not array.flags.writeable


def lost_and_found(ray, cluster, victim, folder, seen):
    """A node dies; results are computed anew, actors move."""

    def count(name):
        with open(os.path.join(folder, name), "a") as file:
            file.write("x")

    @ray.remote(resources={"spot": 1})
    def first():
        count("first")
        return np.ones(SIZE)

    @ray.remote(resources={"spot": 1})
    def second(array):
        count("second")
        return array + 1

    @ray.remote(resources={"spot": 0.1}, num_cpus=0)
    class Mover:
        def where(self):
            return here(ray)

    mover = Mover.options(max_restarts=1, max_task_retries=-1).remote()
    fixed = Mover.remote()
    made = first.remote()
    derived = second.remote(made)
    gone = first.options(max_retries=0).remote()

    @ray.remote(resources={"spot": 1})
    def items():
        for i in range(2):
            yield np.full(SIZE, i)

    # Its input is not lost, nobody has it, and nothing makes it again.
    single = ray.remote(lambda: np.ones(SIZE))
    options = {"resources": {"head": 0.1}, "max_retries": 0}
    double = ray.remote(resources={"spot": 1})(lambda array: 2 * array)
    doubled = double.remote(single.options(**options).remote())
    streamed = [*items.remote(), doubled]
    ray.wait(streamed, num_returns=3, timeout=T, fetch_local=False)
    refs = [mover.where.remote(), fixed.where.remote(), derived, gone]
    ray.wait(refs, num_returns=4, timeout=T, fetch_local=False)
    old = ray.get(refs[0], timeout=T)

    cluster.kill(victim)
    until(lambda: len(alive(ray)) == 1)
    cluster.start({"spot": 2})
    until(lambda: len(alive(ray)) == 2)
    seen["derived"] = float(ray.get(derived, timeout=T).mean())
    seen["counts"] = [
        os.path.getsize(os.path.join(folder, name))
        for name in ("first", "second")
    ]
    again = [float(ray.get(ref, timeout=T).mean()) for ref in streamed]
    *seen["items"], seen["doubled"] = again
    seen["moved"] = ray.get(mover.where.remote(), timeout=T) != old
    for key, ref in {"lost": gone, "dead": fixed.where.remote()}.items():
        try:
            ray.get(ref, timeout=T)
        except ray.exceptions.RayError as error:
            seen[key] = [cls.__name__ for cls in type(error).__mro__]
    states = {node["NodeID"]: node["Alive"] for node in ray.nodes()}
    seen["state of the dead node"] = states[old]


def main():
    name, path = sys.argv[1:]
    if name == "ray":
        os.environ.update(ONLY_FOR_RAY["environment"])
        os.environ["RAY_AUTH_TOKEN"] = os.urandom(32).hex()
    ray = importlib.import_module(name)
    cluster, seen = Cluster(name), {}
    try:
        cluster.start({"head": 1})
        connect(ray, cluster)
        seen["alone"] = len(alive(ray))
        victim = cluster.start({"spot": 2})
        until(lambda: len(alive(ray)) == 2)
        two_nodes(ray, seen)
        lost_and_found(ray, cluster, victim, os.path.dirname(path), seen)
        ray.shutdown()
        seen["nodes outlive the driver"] = all(
            node.is_running() for node in cluster.nodes if node != victim
        )
    finally:
        cluster.stop()
    with open(path, "w") as file:
        json.dump(seen, file)


if __name__ == "__main__":
    main()
