"""The options of `remote` and `.options`: Ray's names, checked at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from minimr.core.messages import Shape

SMALLEST = 1e-4  # part of a resource


class NodeAffinitySchedulingStrategy:
    """Run on this node; with `soft`, elsewhere if it is gone or too small.

    Ray: the same, in `ray.util.scheduling_strategies`.
    """

    def __init__(self, node_id: str, soft: bool) -> None:
        self.node_id = node_id
        self.soft = soft


class Rule(NamedTuple):
    """What an option may be: the types, and a test of the value."""

    types: tuple[type, ...] = (object,)
    right: Callable[[Any], bool] = lambda value: True
    what: str = "valid"


ANY = Rule()
TEXT = Rule((str,))
FLAG = Rule((bool,))
AMOUNT = Rule((int, float), lambda n: n >= 0, "not negative")
COUNT = Rule((int,), lambda n: n >= -1, "-1, 0 or a positive integer")
RETURNS = Rule(
    (int, str),
    lambda n: n in ("streaming", "dynamic") or (type(n) is int and n >= 0),
    "None, a non-negative integer, 'streaming' (for generators), or 'dynamic'",
)
AGAIN = Rule(
    (bool, list, tuple),
    lambda some: (
        isinstance(some, bool)
        or all(
            isinstance(kind, type) and issubclass(kind, Exception)
            for kind in some
        )
    ),
    "a bool or a list of exception classes",
)
LIFETIME = Rule(
    (str,),
    lambda text: text in ("detached", "non_detached"),
    "one of 'detached', 'non_detached' and 'None'",
)
STRATEGY = Rule(
    (str, NodeAffinitySchedulingStrategy),
    lambda strategy: True,
)
COMMON = {
    "num_cpus": AMOUNT,
    "num_gpus": Rule(
        (int, float),
        lambda n: n >= 0 and (n <= 1 or n == int(n)),
        "not negative, and whole above 1",
    ),
    "resources": Rule((dict,)),
    "memory": AMOUNT,
    "name": TEXT,
    "scheduling_strategy": STRATEGY,
    "runtime_env": Rule((dict,)),
    "accelerator_type": TEXT,
    "object_store_memory": AMOUNT,
    "enable_task_events": FLAG,
    "label_selector": ANY,
    "_metadata": ANY,
    "_labels": ANY,
}
CALLS = {
    "num_returns": RETURNS,
    "retry_exceptions": AGAIN,
    "_generator_backpressure_num_objects": ANY,
}
TASK = {**COMMON, **CALLS, "max_retries": COUNT, "max_calls": ANY}
ACTOR = {
    **COMMON,
    "namespace": TEXT,
    "lifetime": LIFETIME,
    "get_if_exists": FLAG,
    "max_restarts": COUNT,
    "max_task_retries": COUNT,
    "max_concurrency": Rule((int,), lambda n: n > 0, "positive"),
    "max_pending_calls": COUNT,
    "concurrency_groups": ANY,
    "allow_out_of_order_execution": ANY,
}
METHOD = {
    **CALLS,
    "name": TEXT,
    "max_task_retries": COUNT,
    "enable_task_events": FLAG,
    "concurrency_group": ANY,
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


def check(options: Options, allowed: dict[str, Rule], what: str) -> None:
    """Refuse what is unknown, and what is left out, with the reason.

    Raises:
        TypeError, ValueError: the option or its value is wrong.
        NotImplementedError: Ray has the option; it is left out here.
    """
    for name, value in options.items():
        rule = allowed.get(name)
        if rule is None:
            kind = AssertionError if allowed is METHOD else ValueError
            raise kind(
                f"Invalid option keyword {name} for {what}. Valid ones are "
                f"{sorted(allowed)}."
            )
        if value is None:
            continue
        if not isinstance(value, rule.types):
            kinds = " or ".join(kind.__name__ for kind in rule.types)
            raise TypeError(
                f"The type of keyword '{name}' must be {kinds}, but received "
                f"type {type(value)}"
            )
        if not rule.right(value):
            raise ValueError(
                f"The keyword '{name}' must be {rule.what}: {value!r}"
            )
        if name in LEFT_OUT and value not in (0, False):
            raise NotImplementedError(
                f"minimr leaves the option {name} out: {LEFT_OUT[name]}"
            )
    _check_resources(options.get("resources") or {})
    for name in options.get("runtime_env") or {}:
        if name not in ("env_vars", "working_dir"):
            raise NotImplementedError(
                f"minimr leaves runtime_env[{name!r}] out: it has env_vars "
                "and working_dir"
            )


def _check_resources(resources: dict[str, Any]) -> None:
    for name, amount in resources.items():
        if name in ("CPU", "GPU"):
            raise ValueError(
                f"Use the 'num_{name.lower()}s' keyword instead of "
                f"'{name}' in 'resources' keyword"
            )
        if amount < 0 or 0 < amount < SMALLEST:
            raise ValueError(
                f"The precision of resource {name!r} is {SMALLEST}, and it "
                f"must not be negative: {amount}"
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
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return ("node", strategy.node_id, strategy.soft)
    raise ValueError(
        f"Invalid scheduling_strategy {strategy!r}: minimr has 'DEFAULT', "
        "'SPREAD' and NodeAffinitySchedulingStrategy"
    )
