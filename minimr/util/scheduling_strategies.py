"""What Ray has in `ray.util.scheduling_strategies`."""

from __future__ import annotations

from minimr.core.api.options import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

__all__ = [
    "NodeAffinitySchedulingStrategy",
    "PlacementGroupSchedulingStrategy",
]
