"""The one error that bad input gets."""

from __future__ import annotations


class DQNError(ValueError):
    """What was asked cannot be done; the text fits in one line."""
