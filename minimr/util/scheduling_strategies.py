"""What Ray has in `ray.util.scheduling_strategies`."""

from __future__ import annotations


class NodeAffinitySchedulingStrategy:
    """Run on this node; with `soft`, elsewhere if it is gone or too small.

    Ray: the same.
    """

    def __init__(self, node_id: str, soft: bool) -> None:
        self.node_id = node_id
        self.soft = soft


class PlacementGroupSchedulingStrategy:
    """Left out: there are no placement groups."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            "minimr leaves placement groups out: use SPREAD, node affinity "
            "or custom resources"
        )
