"""Ray's ideas from scratch, beside the same programs on Ray.

Importing this package does nothing: no socket, no process, no torch.
"""

__version__ = "0.1.0"
