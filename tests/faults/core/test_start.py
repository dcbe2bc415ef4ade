"""What a driver can rely on as soon as `init` has returned."""

from __future__ import annotations

import minimr as ray

STARTS = 20  # one in six found no node before the head knew its own


def test_the_first_question_finds_the_node_that_answers_it() -> None:
    for _ in range(STARTS):
        ray.init(num_cpus=3, address="local")
        try:
            assert len(ray.nodes()) == 1
            assert ray.cluster_resources()["CPU"] == 3
        finally:
            ray.shutdown()
