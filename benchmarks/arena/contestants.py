"""Who takes part, in which version, and what to know about it."""

from __future__ import annotations

from dataclasses import dataclass

NUMPY = "numpy==2.4.6"


@dataclass(frozen=True)
class Contestant:
    """A runtime, and the environment that it needs.

    Attributes:
        adapter: module and class in `benchmarks/arena/adapters`.
        requirements: for pip; Python and NumPy are there anyway.
        about: what is particular about it.
        threads: its workers are threads of one process.
    """

    name: str
    adapter: str
    requirements: tuple[str, ...] = ()
    about: str = ""
    threads: bool = False

    @property
    def packages(self) -> list[str]:
        """The names of the requirements, without their versions."""
        return [each.partition("==")[0] for each in self.requirements]


OURS = ("cloudpickle==3.1.2", "cryptography==50.0.2", "psutil==7.2.2")
ALL = (
    Contestant("minimr", "verbs:Minimr", OURS, "rung 2 of this tree"),
    Contestant("minimr executor", "executors:MinimrExecutor", OURS,
        "its concurrent.futures.Executor"),
    Contestant("ray", "verbs:Ray", ("ray==2.60.0",)),
    Contestant("pool", "pools:Pool", about="multiprocessing.Pool, forked"),
    Contestant("process pool", "executors:ProcessPool",
        about="ProcessPoolExecutor, forked"),
    Contestant("loky", "executors:Loky", ("loky==3.7.0",)),
    Contestant("mpire", "pools:Mpire", ("mpire==2.10.2",)),
    Contestant("dask", "dask:Dask", ("distributed==2026.8.0",)),
    Contestant("xoscar", "xoscar:Xoscar", ("xoscar==0.12.2",),
        "actors only: a task is a call of one of the workers' actors"),
    Contestant("scaler", "scaler:Scaler", ("opengris-scaler==2.9.0",)),
    Contestant("executorlib", "executors:Executorlib",
        ("executorlib==1.11.0",), "workers kept (block_allocation)"),
    Contestant("parsl", "parsl:Parsl", ("parsl==2026.10.26",),
        "HighThroughputExecutor"),
    Contestant("hyperqueue", "hyperqueue:HyperQueue",
        ("hyperqueue==0.27.0",), "a process per task, results through files"),
    Contestant("pykka", "pykka:Pykka", ("pykka==4.5.0",),
        "threads of one process: what no process costs", threads=True),
)  # fmt: skip
NAMES = tuple(each.name for each in ALL)
