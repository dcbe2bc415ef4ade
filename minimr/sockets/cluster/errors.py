"""What a task raised, on its way from the worker to the driver.

    worker                         │ driver
    exception ─ remote_error ─> RemoteError ─ job_error ─> JobError
                                   │   its text: the remote traceback
                                   │   its __cause__: the exception

Ray: `RayTaskError`.
"""

from __future__ import annotations

import pickle
import traceback

from minimr.interface.mapreduce import JobError
from minimr.sockets.cluster.messages import RemoteError


def remote_error(error: Exception) -> RemoteError:
    """Pack an exception; one that cannot be pickled becomes its text."""
    import cloudpickle  # only now: most workers never need it

    text = "".join(traceback.format_exception(error))
    try:
        return RemoteError(cloudpickle.dumps(error), text)
    except Exception:  # noqa: BLE001  an exception may hold anything
        last_line = RuntimeError(text.rstrip().rpartition("\n")[2])
        return RemoteError(pickle.dumps(last_line), text)


def job_error(what: str, error: RemoteError) -> JobError:
    """Return the driver's exception; its cause is what the task raised."""
    failed = JobError(f"{what} failed:\n{error.traceback}")
    try:
        failed.__cause__ = pickle.loads(error.pickled)
    except Exception as other:  # noqa: BLE001  it may do anything
        failed.__cause__ = RuntimeError(f"cannot be unpickled: {other}")
    return failed
