"""A driver that works until it is killed: `random_driver.py ADDRESS SEED`.

It always has tasks under way, a named actor and large objects. It writes a
line as soon as the actor and the objects are there.
"""

from __future__ import annotations

import random
import sys

import numpy as np

import minimr as ray
from tests.faults.core.cluster import Echo, T, work_once

NAMESPACE = "victims"


def main(address: str, seed: str) -> None:
    """Work without end."""
    alone = {"num_cpus": 2} if address == "local" else {}
    ray.init(address, namespace=NAMESPACE, log_to_driver=False, **alone)
    keeper = Echo.options(name=f"keeper {seed}", num_cpus=1).remote()
    held = [ray.put(np.full(300_000, number)) for number in range(4)]
    held.append(keeper.call.remote(held))
    assert len(ray.get(held[-1], timeout=T)) == 4
    print("ready", flush=True)  # noqa: T201  the test reads it
    dice = random.Random(seed)
    while True:
        work_once(dice)


if __name__ == "__main__":
    main(*sys.argv[1:])
