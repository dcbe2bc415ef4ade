"""The errors of Ray's core, under Ray's names."""

from minimr.core.exceptions import *  # noqa: F403
