"""What a run tells of itself: $MINIMR_LOG is debug, info or warning."""

from __future__ import annotations

import logging
import os


def narrate() -> None:
    """Log to standard error as $MINIMR_LOG says, warnings without it."""
    name = os.environ.get("MINIMR_LOG", "warning").upper()
    level = logging.getLevelName(name)  # a text where it knows no number
    logging.basicConfig(
        level=level if isinstance(level, int) else logging.WARNING,
        format="%(asctime)s.%(msecs)03d %(process)d %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
