"""What Ray has in `ray.util.scheduling_strategies`."""

from __future__ import annotations

from minimr.api.options import NodeAffinitySchedulingStrategy

__all__ = [
    "NodeAffinitySchedulingStrategy",
    "PlacementGroupSchedulingStrategy",
]


class PlacementGroupSchedulingStrategy:
    """Left out: there are no placement groups."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            "minimr leaves placement groups out: use SPREAD, node affinity "
            "or custom resources"
        )
