"""Ray's third task kills the node, or the worker, that runs it.

    RemoteFunction ── the third ──> the same function, that kills at first
                                      └ a file says that it has: once

Nobody outside of Ray can tell which worker gets a task. The task can.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple


class Deadly(NamedTuple):
    """What a task kills.

    Attributes:
        node: that of its worker, or else the worker alone.
        after_s: so long after it has begun.
        killed: gets the process id.
    """

    node: bool
    after_s: float
    killed: Callable[[int], None]


@contextlib.contextmanager
def told(
    cluster: Any, deadly: Callable[[str], Deadly | None]
) -> Iterator[None]:
    """Ask of each task that is submitted whether it kills something.

    Args:
        cluster: of `ray.cluster_utils`.
        deadly: gets the name of its function.
    """
    ray: Any = import_module(type(cluster).__module__.partition(".")[0])
    kind = ray.remote_function.RemoteFunction
    submit = kind._remote
    kills: list[tuple[Deadly, Path]] = []

    def submit_or_kill(
        self: Any, args: Any, kwargs: Any, **options: Any
    ) -> Any:
        function = self._function
        kill = deadly(function.__name__)
        if kill is None:
            return submit(self, args, kwargs, **options)
        file = Path(folder) / str(len(kills))
        kills.append((kill, file))
        once = ray.remote(_killing(function, kill.node, kill.after_s, file))
        return submit(once, args, kwargs, **options)

    with tempfile.TemporaryDirectory() as folder:
        kind._remote = submit_or_kill
        try:
            yield
        finally:
            kind._remote = submit
            for kill, file in kills:
                if file.exists():
                    kill.killed(int(file.read_text()))


def _killing(
    function: Callable[..., Any], node: bool, after_s: float, file: Path
) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        pid = os.getppid() if node else os.getpid()
        with contextlib.suppress(FileExistsError), file.open("x") as note:
            note.write(str(pid))
            timer = threading.Timer(after_s, os.kill, (pid, signal.SIGKILL))
            timer.start()
        return function(*args, **kwargs)

    return run
