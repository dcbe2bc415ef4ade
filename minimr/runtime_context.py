"""What Ray has in `ray.runtime_context`."""

from minimr.core.context import RuntimeContext, get_runtime_context

__all__ = ["RuntimeContext", "get_runtime_context"]
