"""Where this code runs, at the address that Ray has it."""

from minimr.core.api.context import (
    RuntimeContext,
    get_gpu_ids,
    get_runtime_context,
)

__all__ = ["RuntimeContext", "get_gpu_ids", "get_runtime_context"]
