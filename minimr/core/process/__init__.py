"""The core of a driver or a worker (Ray: the core worker)."""
