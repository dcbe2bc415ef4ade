"""The one error for bad input."""

from __future__ import annotations


class DQNError(ValueError):
    """The input is bad. The text is one line."""
