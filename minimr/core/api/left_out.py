"""The names of Ray that minimr leaves out, and what to use instead.

minimr.tune ─────────────> AttributeError ┐
from minimr import tune ─> ImportError    ├ with the reason
import minimr.tune ──────> ImportError    ┘
"""

from __future__ import annotations

import sys
from typing import Any

LIBRARY = "it is a library on top of Ray's core"
SMALL = f"{LIBRARY}; examples/libraries has a small one"
ONE = "there is one language"
IDS = "ids are strings of hexadecimal digits"
CLIENT = "a program joins a cluster with init(address=...)"
DEBUGGER = "use init(local_mode=True) and a debugger, or print"
LOGGING = "use Python's logging"
PICKLE = "give the class a __reduce__"
OLD = "use get_{}()"
INNER = "it tells how Ray works inside"

# {name below `ray`: why, or what to use}
LEFT_OUT = {
    **dict.fromkeys(("data", "serve", "train", "tune"), SMALL),
    **dict.fromkeys(("rllib", "workflow"), LIBRARY),
    **dict.fromkeys(("cpp_function", "java_function", "Language"), ONE),
    "java_actor_class": ONE,
    **dict.fromkeys(("ActorClassID", "ActorID", "FunctionID", "JobID"), IDS),
    **dict.fromkeys(("NodeID", "PlacementGroupID", "TaskID"), IDS),
    **dict.fromkeys(("UniqueID", "WorkerID"), IDS),
    "LoggingConfig": "the log is Python's, under the name minimr",
    "SCRIPT_MODE": "get_runtime_context().get_task_id() is None in a driver",
    "WORKER_MODE": "get_runtime_context().get_task_id() is None in a driver",
    **{
        f"runtime_context.RuntimeContext.{name}": OLD.format(name)
        for name in ("job_id", "node_id", "task_id", "actor_id")
    },
    **{
        f"runtime_context.RuntimeContext.{name}": INNER
        for name in ("get_session_name", "get_temp_dir", "worker")
    },
    "runtime_context.RuntimeContext.get_task_function_name": OLD.format(
        "task_name"
    ),
    **{
        f"runtime_context.RuntimeContext.{name}": "read os.environ"
        for name in ("runtime_env", "get_runtime_env_string")
    },
    "runtime_context.RuntimeContext.get": "ask for each id by its get_...()",
    "runtime_context.RuntimeContext.get_resource_ids": OLD.format(
        "accelerator_ids"
    ),
    "autoscaler": "start and end nodes with `minimr start` and `stop`",
    **dict.fromkeys(("ClientBuilder", "client"), CLIENT),
    "experimental": "instead of internal_kv, use a named actor",
    "job_submission": "run the program on a machine of the cluster",
    "show_in_dashboard": "the page of a cluster shows all; see `minimr list`",
    "util.accelerators": "use labels or custom resources",
    "util.actor_group": "use a list of actors, or util.ActorPool",
    "util.collective": "use tasks and actors",
    **dict.fromkeys(("util.connect", "util.disconnect"), CLIENT),
    "util.deregister_serializer": PICKLE,
    "util.get_node_instance_id": "use get_runtime_context().get_node_id()",
    "util.disable_log_once_globally": LOGGING,
    "util.enable_periodic_logging": LOGGING,
    "util.log_once": LOGGING,
    "util.iter": "use generators and actors",
    "util.metrics": "see util.state and `minimr timeline`",
    **dict.fromkeys(("util.pdb", "util.ray_debugpy", "util.rpdb"), DEBUGGER),
    "util.register_serializer": PICKLE,
}


def missing(module: str, name: str) -> AttributeError:
    """Return the error for a name that a module of minimr lacks."""
    why = _why(f"{module}.{name}")
    return AttributeError(
        why or f"module {module!r} has no attribute {name!r}"
    )


def _why(name: str) -> str:
    below = name.removeprefix("minimr.")
    if below == name or below not in LEFT_OUT:
        return ""
    return (
        f"minimr leaves ray.{below} out: {LEFT_OUT[below]}. "
        "docs/semantics.md lists what it has"
    )


class Finder:
    """Raises the reason for such an import: Python asks it last."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Find no module.

        Raises:
            ModuleNotFoundError: the name is left out.
        """
        if why := _why(name):
            # With its name, `from minimr import tune` would not show it.
            raise ModuleNotFoundError(why)


sys.meta_path.append(Finder())
