"""joblib on tasks, and so scikit-learn: `ray.util.joblib`."""

from __future__ import annotations

from joblib.parallel import register_parallel_backend

from minimr.util.joblib.backend import Backend

__all__ = ["register_ray"]


def register_ray() -> None:
    """Let `joblib.parallel_backend("ray")` run on minimr.

    Ray: the same.
    """
    register_parallel_backend("ray", Backend)
