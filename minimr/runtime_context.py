"""Where this code runs, under the name of `ray.runtime_context`."""

from minimr.core.api.context import (
    RuntimeContext,
    get_gpu_ids,
    get_runtime_context,
)

__all__ = ["RuntimeContext", "get_gpu_ids", "get_runtime_context"]
