"""Python's `multiprocessing.Pool` on actors: `ray.util.multiprocessing`."""

from multiprocessing import JoinableQueue, TimeoutError

from minimr.util.multiprocessing.pool import Pool

__all__ = ["JoinableQueue", "Pool", "TimeoutError"]
