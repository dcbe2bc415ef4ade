"""Where this code runs: what Ray has in `ray.runtime_context`."""

from __future__ import annotations

from typing import Any

from minimr.core.api.actors import ActorHandle
from minimr.core.api.left_out import missing
from minimr.core.api.session import session
from minimr.core.messages import Query
from minimr.core.process.current import find
from minimr.core.process.runtime import Duty, running


def _duty() -> Duty:
    """Return what this process is there for; before `init`, nothing."""
    runtime = find()
    return Duty() if runtime is None else runtime.duty


class RuntimeContext:
    """What a task, an actor or a driver can learn about itself.

    Ray: `ray.get_runtime_context()`.
    """

    def get_job_id(self) -> str:
        """Return the id of the driver's job."""
        return str(session().job.id)

    def get_node_id(self) -> str:
        """Return the id of the node that this process is on."""
        return str(session().welcome.node)

    def get_node_labels(self) -> dict[str, str]:
        """Return the labels of that node."""
        nodes = session().ask_head(Query("nodes"))
        here = self.get_node_id()
        return next(dict(node.labels) for node in nodes if node.id == here)

    def get_placement_group_id(self) -> str | None:
        """Return the group that this task or actor is in, if any."""
        group = session().duty.group
        return str(group[0]) if group else None

    def get_worker_id(self) -> str:
        """Return the id of this process."""
        return str(session().process.hex())

    def get_task_id(self) -> str | None:
        """Return the id of the running task; None in a driver."""
        now = running.get()
        return now.task.hex() if now and now.task else None

    def get_task_name(self) -> str | None:
        """Return the name of the running task."""
        now = running.get()
        return now.name if now else None

    def get_attempt_number(self) -> int:
        """Return how many runs of this task there were before this one.

        Ray: no public name.
        """
        now = running.get()
        return now.attempt if now else 0

    def is_canceled(self) -> bool:
        """Return whether the running method was cancelled."""
        now = running.get()
        return now is not None and now.task in _duty().cancelled

    def get_actor_id(self) -> str | None:
        """Return the id of this actor; None: it is none."""
        spec = _duty().spec
        return spec.id.hex() if spec else None

    def get_actor_name(self) -> str | None:
        """Return the name of this actor."""
        spec = _duty().spec
        return (spec.name or "") if spec else None

    @property
    def namespace(self) -> str:
        """The namespace of the job."""
        return str(session().job.namespace)

    @property
    def gcs_address(self) -> str:
        """The address of the head."""
        return "{}:{}".format(*session().welcome.head)

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether this actor was restarted."""
        return _duty().restarts > 0

    @property
    def current_actor(self) -> Any:
        """A handle to this actor."""
        spec = _duty().spec
        if spec is None:
            raise RuntimeError("This method is only available in an actor.")
        return ActorHandle(spec, None)

    def get_assigned_resources(self) -> dict[str, float]:
        """Return the resources that this task or actor holds."""
        return dict(_duty().hold)

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """Return the GPUs that this task or actor may use."""
        return {"GPU": [str(gpu) for gpu in _duty().gpus]}

    def __getattr__(self, name: str) -> Any:
        raise missing("minimr.runtime_context.RuntimeContext", name)


def get_runtime_context() -> RuntimeContext:
    """Return where this code runs. Ray: the same."""
    return RuntimeContext()


def get_gpu_ids() -> list[int | str]:
    """Return the GPUs that this task or actor may use. Ray: the same."""
    return list(_duty().gpus)
