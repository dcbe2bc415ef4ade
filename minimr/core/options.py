"""The options of `remote` and `.options`: Ray's names, checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minimr.core.messages import Shape

COMMON = {
    "num_cpus",
    "num_gpus",
    "resources",
    "memory",
    "name",
    "scheduling_strategy",
    "runtime_env",
    "accelerator_type",
    "object_store_memory",
    "enable_task_events",
    "label_selector",
    "_metadata",
    "_labels",
}
TASK = COMMON | {
    "num_returns",
    "max_retries",
    "retry_exceptions",
    "max_calls",
    "_generator_backpressure_num_objects",
}
ACTOR = COMMON | {
    "namespace",
    "lifetime",
    "get_if_exists",
    "max_restarts",
    "max_task_retries",
    "max_concurrency",
    "max_pending_calls",
    "concurrency_groups",
    "allow_out_of_order_execution",
}
METHOD = {
    "num_returns",
    "name",
    "max_task_retries",
    "retry_exceptions",
    "enable_task_events",
    "concurrency_group",
    "_generator_backpressure_num_objects",
}
LEFT_OUT = {
    "max_calls": "workers are not recycled",
    "concurrency_groups": "use max_concurrency, or several actors",
    "concurrency_group": "use max_concurrency, or several actors",
    "accelerator_type": "use a custom resource",
    "label_selector": "use a custom resource, or node affinity",
    "allow_out_of_order_execution": "calls of one caller keep their order",
    "_generator_backpressure_num_objects": "a generator is not held back",
}

Options = Mapping[str, Any]


def check(options: Options, allowed: set[str], what: str) -> None:
    """Refuse what is unknown, and what is left out, with the reason.

    Raises:
        ValueError: the option or its value is wrong.
        NotImplementedError: Ray has the option; it is left out here.
    """
    for name, value in options.items():
        if name not in allowed:
            kind = AssertionError if allowed is METHOD else ValueError
            raise kind(
                f"Invalid option keyword {name} for {what}. Valid ones are "
                f"{sorted(allowed)}."
            )
        if name in LEFT_OUT and value not in (None, 0, False):
            raise NotImplementedError(
                f"minimr leaves the option {name} out: {LEFT_OUT[name]}"
            )
    for name in ("num_cpus", "num_gpus", "memory"):
        amount = options.get(name)
        if amount is not None and amount < 0:
            raise ValueError(
                f"The precision of the fractional quantity of {name} must "
                f"be positive: {amount}"
            )
    for name in ("max_retries", "max_restarts", "max_task_retries"):
        count = options.get(name)
        if count is not None and (not isinstance(count, int) or count < -1):
            raise ValueError(
                f"The keyword '{name}' only accepts -1, 0 or a positive "
                "integer"
            )
    gpus = options.get("num_gpus") or 0
    if gpus > 1 and gpus != int(gpus):
        raise ValueError("num_gpus above 1 must be a whole number")
    _check_resources(options.get("resources"))
    _check_env(options.get("runtime_env"))


def _check_resources(resources: Any) -> None:
    if resources is None:
        return
    if not isinstance(resources, dict):
        raise TypeError("resources must be a dict {name: amount}")
    for name, amount in resources.items():
        if name in ("CPU", "GPU"):
            raise ValueError(
                f"Use the 'num_{name.lower()}s' keyword instead of "
                f"'{name}' in 'resources' keyword"
            )
        if amount < 0:
            raise ValueError(f"resource {name!r} must not be negative")


def _check_env(env: Any) -> None:
    for name in env or {}:
        if name not in ("env_vars", "working_dir"):
            raise NotImplementedError(
                f"minimr leaves runtime_env[{name!r}] out: it has env_vars "
                "and working_dir"
            )


def shape(options: Options, cpus: float, job_env: Any = ()) -> Shape:
    """Give what a worker has to have for these options."""
    amounts = {
        "CPU": options.get("num_cpus"),
        "GPU": options.get("num_gpus"),
        "memory": options.get("memory"),
        **(options.get("resources") or {}),
    }
    if amounts["CPU"] is None:
        amounts["CPU"] = cpus
    wanted = ((name, float(need)) for name, need in amounts.items() if need)
    env = dict(job_env)
    own = options.get("runtime_env") or {}
    env |= own.get("env_vars") or {}
    if own.get("working_dir"):
        env["MINIMR_WORKING_DIR"] = str(own["working_dir"])
    return Shape(
        tuple(wanted),
        _strategy(options.get("scheduling_strategy")),
        tuple(sorted(env.items())),
    )


def _strategy(strategy: Any) -> tuple[Any, ...] | None:
    if strategy in (None, "DEFAULT"):
        return None
    if strategy == "SPREAD":
        return ("SPREAD",)
    if hasattr(strategy, "node_id"):
        return ("node", strategy.node_id, strategy.soft)
    raise ValueError(
        f"Invalid scheduling_strategy {strategy!r}: minimr has 'DEFAULT', "
        "'SPREAD' and NodeAffinitySchedulingStrategy"
    )
