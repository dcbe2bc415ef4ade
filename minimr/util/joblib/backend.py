"""Runs the batches of `joblib.Parallel` as tasks.

    Parallel ─> batch of calls ─> submit() ─> a task ─> a future, which
                large arrays: put() once      tells Parallel when it is set

Ray: `ray.util.joblib.ray_backend`, on a pool of actors.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib.parallel import AutoBatchingMixin, ParallelBackendBase

from minimr.core.api import verbs
from minimr.core.api.session import init, is_initialized
from minimr.core.process.records import ObjectRef
from minimr.core.serialization import INLINE_BYTES
from minimr.util.executor import TaskPoolExecutor


class Backend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """What joblib knows as "ray".

    Args:
        ray_remote_args: options of the tasks.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True

    def __init__(
        self, *args: Any, ray_remote_args: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._options = ray_remote_args or {}
        # {id of an array: the array, a reference to its copy in the store}
        self._shared: dict[int, tuple[Any, ObjectRef]] = {}

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls run at once. Negative: of all CPUs."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None or n_jobs > 0:
            return n_jobs or 1
        if not is_initialized():
            init()
        cpus = int(verbs.cluster_resources().get("CPU", 1))
        return max(cpus + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        ray_remote_args: Any = None,
        **ignored: Any,
    ) -> int:
        """Be ready for the calls of a `Parallel`; return how many at once."""
        self._options = ray_remote_args or self._options
        self.parallel = parallel
        jobs = self.effective_n_jobs(n_jobs)
        threads = self._prepare_worker_env(n_jobs=jobs)
        env = {"runtime_env": {"env_vars": threads}}
        self._executor = TaskPoolExecutor(jobs, **{**env, **self._options})
        return jobs

    def submit(
        self, func: Any, callback: Callable[[Any], Any] | None = None
    ) -> Future[Any]:
        """Run a batch of calls, and tell when it has ended."""
        func.items = [
            (
                function,
                [self._share(arg) for arg in args],
                {name: self._share(arg) for name, arg in kwargs.items()},
            )
            for function, args, kwargs in func.items
        ]
        future = self._executor.submit(_run, func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def _share(self, value: Any) -> Any:
        """Return a reference to a large array, which is stored once."""
        if getattr(value, "nbytes", 0) <= INLINE_BYTES:
            return value
        if id(value) not in self._shared:
            self._shared[id(value)] = value, verbs.put(value)
        return self._shared[id(value)][1]

    def retrieve_result_callback(self, future: Future[Any]) -> Any:
        """Return the results of a batch, or raise its error."""
        return future.result()

    def terminate(self) -> None:
        """End: nothing is under way any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._shared.clear()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End what was submitted, for a part of it has raised.

        Blocks: until all of it has told its `Parallel`, which would take what
        comes late for an answer to its next call.
        """
        self._executor.kill_workers()
        self._executor.shutdown(wait=True)
        self._shared.clear()
        if ensure_ready:
            self.configure(self.parallel.n_jobs, self.parallel)


def _run(batch: Any) -> Any:
    batch.items = [
        (
            function,
            [_value(arg) for arg in args],
            {name: _value(arg) for name, arg in kwargs.items()},
        )
        for function, args, kwargs in batch.items
    ]
    return batch()


def _value(arg: Any) -> Any:
    return verbs.get(arg) if isinstance(arg, ObjectRef) else arg
