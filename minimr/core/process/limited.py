"""`max_calls`: a worker ends after so many calls of a function.

So what the function leaves in its process, memory of a GPU for example, goes
with the process. It is what is sent in place of the function; other functions
pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minimr.core.process.current import current


class Limited:
    """A function, and how many calls of it this worker has left."""

    def __init__(self, function: Callable[..., Any], calls: int) -> None:
        self._function, self._left = function, calls

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it; after the last call, the worker ends with this task."""
        try:
            return self._function(*args, **kwargs)
        finally:
            self._left -= 1
            if self._left <= 0:
                current().duty.retire()
