"""NumPy's threads against cores: every task believes that it is alone.

A product of matrices is computed in as many threads as there are cores. If
there is a task for each core as well, there are cores x cores threads, which
take turns. So the engines set OMP_NUM_THREADS to the CPUs that a task asks
for: one. Who needs the threads asks for the CPUs.

Watch: how many threads a task has by default, and the two times. The more
       cores a machine has, the larger the difference.
From:  Ray 0.2.2's documentation, on troubleshooting.
Next:  `--threads 16`. Then run one task with `num_cpus=2` and see what
       OMP_NUM_THREADS is in it.
"""

import os
import time

import numpy as np
from threadpoolctl import threadpool_limits


def main(ray, full=False, *, threads=0):
    """Return the same sum, from one thread and from many."""
    size, times = (500, 10) if full else (200, 4)
    threads = threads or 2 * (os.cpu_count() or 1)

    @ray.remote
    def default_threads():
        return os.environ.get("OMP_NUM_THREADS")

    @ray.remote
    def multiply(threads):
        matrix = np.full((size, size), 0.5)
        with threadpool_limits(threads):
            for _ in range(times):
                product = matrix @ matrix
        return float(product.sum())

    print(f"OMP_NUM_THREADS of a task: {ray.get(default_threads.remote())}")
    tasks = int(ray.cluster_resources()["CPU"])
    sums = {}
    for number in (threads, 1):
        ray.get([multiply.remote(number) for _ in range(tasks)])  # warm
        begin = time.perf_counter()
        results = ray.get([multiply.remote(number) for _ in range(2 * tasks)])
        seconds = time.perf_counter() - begin
        print(
            f"{tasks} tasks at a time, {number:2} threads each: "
            f"{seconds:6.3f} s"
        )
        sums[number] = results[0]

    assert len(set(sums.values())) == 1, "threads changed the result"
    return sums[1]
