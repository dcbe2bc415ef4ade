"""The options of `remote` and `.options`: Ray's names, checked at once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from minimr.core import messages as m
from minimr.core.messages import Amounts, Environment, Shape, Wishes

SMALLEST = 1e-4  # part of a resource
# What a label must be: a value, or one of several, or not.
_VALUE = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_SELECTOR = re.compile(rf"!?({_VALUE}|in\({_VALUE}(, ?{_VALUE})*\))").fullmatch


class NodeAffinitySchedulingStrategy:
    """Run on this node. If `soft`: elsewhere, if it is gone or too small.

    Ray: the same, in `ray.util.scheduling_strategies`.
    """

    def __init__(self, node_id: str, soft: bool) -> None:
        self.node_id = node_id
        self.soft = soft


class PlacementGroupSchedulingStrategy:
    """Run in a placement group.

    Args:
        placement_group: None: in no group, even if the parent task captures
            its children.
        placement_group_bundle_index: -1: in any of its bundles.
        placement_group_capture_child_tasks: nested tasks and actors run in
            the group as well, unless they have a strategy of their own.

    Ray: the same, in `ray.util.scheduling_strategies`.
    """

    def __init__(
        self,
        placement_group: Any,
        placement_group_bundle_index: int = -1,
        placement_group_capture_child_tasks: bool | None = None,
    ) -> None:
        self.placement_group = placement_group
        self.placement_group_bundle_index = placement_group_bundle_index
        self.placement_group_capture_child_tasks = bool(
            placement_group_capture_child_tasks
        )


def _is_again(value: Any) -> bool:
    return isinstance(value, bool) or all(
        isinstance(kind, type) and issubclass(kind, Exception)
        for kind in value
    )


# What an option may be: types, a test of the value, and that in words.
Rule = tuple[tuple[type, ...], Callable[[Any], bool], str]
STREAMS = ("streaming", "dynamic")
LIVES = ("detached", "non_detached")
ANY: Rule = ((object,), lambda value: True, "")
FLAG: Rule = ((bool,), lambda value: True, "")
TEXT: Rule = ((str,), lambda value: True, "")
TABLE: Rule = ((dict,), lambda value: True, "")
AMOUNT: Rule = ((int, float), lambda n: n >= 0, "not negative")
COUNT: Rule = ((int,), lambda n: n >= -1, "-1, 0 or a positive integer")
CALLS_OF_A_WORKER: Rule = (
    (int,),
    lambda n: n >= 0,
    "None, 0 or a positive integer",
)
SIZE: Rule = ((int,), lambda n: n > 0, "positive")
GPUS: Rule = (
    (int, float),
    lambda n: 0 <= n <= 1 or n == int(n) > 0,
    "not negative, and whole above 1",
)
GROUPS: Rule = (
    (dict,),
    lambda groups: all(type(n) is int and n > 0 for n in groups.values()),
    "names with a positive number each",
)
RETURNS: Rule = (
    (int, str),
    lambda n: n in STREAMS or (type(n) is int and n >= 0),
    f"None, a non-negative integer, or (for generators) one of {STREAMS}",
)
AHEAD: Rule = (
    (int,),
    lambda n: n != 0,
    "how many items a generator may be ahead; negative: any number",
)
AGAIN: Rule = ((bool, list, tuple), _is_again, "a bool or exception classes")
LIFETIME: Rule = ((str,), lambda text: text in LIVES, f"one of {LIVES}")
STRATEGY: Rule = (
    (
        str,
        NodeAffinitySchedulingStrategy,
        PlacementGroupSchedulingStrategy,
    ),
    lambda value: True,
    "",
)
SELECTOR: Rule = (
    (dict,),
    lambda table: all(
        isinstance(key, str) and isinstance(text, str) and _SELECTOR(text)
        for key, text in table.items()
    ),
    "labels, each with 'value', '!value', 'in(a, b)' or '!in(a, b)'",
)
COMMON: dict[str, Rule] = {
    **dict.fromkeys(("num_cpus", "memory", "object_store_memory"), AMOUNT),
    **dict.fromkeys(("resources", "runtime_env"), TABLE),
    **dict.fromkeys(("_metadata", "_labels"), ANY),
    "label_selector": SELECTOR,
    **dict.fromkeys(("name", "accelerator_type"), TEXT),
    "num_gpus": GPUS,
    "scheduling_strategy": STRATEGY,
    "enable_task_events": FLAG,
}
CALLS: dict[str, Rule] = {
    "num_returns": RETURNS,
    "retry_exceptions": AGAIN,
    "_generator_backpressure_num_objects": AHEAD,
}
TASK = {
    **COMMON,
    **CALLS,
    "max_retries": COUNT,
    "max_calls": CALLS_OF_A_WORKER,
}
RESTARTS = ("max_restarts", "max_task_retries", "max_pending_calls")
ACTOR = {
    **COMMON,
    **dict.fromkeys(RESTARTS, COUNT),
    "namespace": TEXT,
    "lifetime": LIFETIME,
    "get_if_exists": FLAG,
    "max_concurrency": SIZE,
    "concurrency_groups": GROUPS,
    "allow_out_of_order_execution": ANY,
}
METHOD = {
    **CALLS,
    "name": TEXT,
    "max_task_retries": COUNT,
    "enable_task_events": FLAG,
    "concurrency_group": TEXT,
}
LEFT_OUT = {
    "accelerator_type": "use a custom resource",
    "allow_out_of_order_execution": "calls of one caller keep their order",
}


def check(
    options: Mapping[str, Any], allowed: Mapping[str, Rule], what: str
) -> None:
    """Refuse options that are unknown, wrong, or left out here.

    Raises:
        TypeError, ValueError: the option or its value is wrong.
        NotImplementedError: Ray has the option, and minimr does not.
    """
    for name, value in options.items():
        if name not in allowed:
            kind = AssertionError if allowed is METHOD else ValueError
            raise kind(
                f"Invalid option keyword {name} for {what}. Valid ones are "
                f"{sorted(allowed)}."
            )
        types, right, wanted = allowed[name]
        if value is None:
            continue
        if not isinstance(value, types):
            kinds = " or ".join(kind.__name__ for kind in types)
            raise TypeError(
                f"The type of keyword '{name}' must be {kinds}, but received "
                f"type {type(value)}"
            )
        if not right(value):
            text = f"The keyword '{name}' must be {wanted}: {value!r}"
            raise ValueError(text)
        if name in LEFT_OUT and value not in (0, False):
            text = f"minimr leaves the option {name} out: {LEFT_OUT[name]}"
            raise NotImplementedError(text)
    for name in options.get("runtime_env") or {}:
        if name not in ("env_vars", "working_dir"):
            raise NotImplementedError(
                f"minimr leaves runtime_env[{name!r}] out: it has env_vars "
                "and working_dir"
            )
    for name, amount in (options.get("resources") or {}).items():
        if name in ("CPU", "GPU"):
            text = f"Use the 'num_{name.lower()}s' keyword instead of {name!r}"
            raise ValueError(text)
        if amount < 0 or 0 < amount < SMALLEST:
            raise ValueError(
                f"The precision of resource {name!r} is {SMALLEST}, and it "
                f"must not be negative: {amount}"
            )


def wishes(selector: Mapping[str, str]) -> Wishes:
    """Return what a label selector asks for."""
    found = []
    for key, text in sorted(selector.items()):
        values = text.removeprefix("!").removeprefix("in(").removesuffix(")")
        each = tuple(value.strip() for value in values.split(","))
        found.append((key, text.startswith("!"), each))
    return tuple(found)


def shape(
    options: Mapping[str, Any],
    cpus: float,
    env: Environment = (),
    inside: tuple[str, bool] | None = None,
) -> Shape:
    """Return the shape of a task or actor: what its worker needs.

    Args:
        cpus: the default.
        env: of the job.
        inside: the placement group of the parent task, and whether it
            captures its children.
    """
    where = _where(options, cpus, inside)
    own = options.get("runtime_env") or {}
    variables = {**dict(env), **(own.get("env_vars") or {})}
    if own.get("working_dir"):
        variables["MINIMR_WORKING_DIR"] = str(own["working_dir"])
    return Shape(
        amounts(options, cpus, where),
        where,
        tuple(sorted(variables.items())),
        wishes(options.get("label_selector") or {}),
    )


def _where(
    options: Mapping[str, Any], cpus: float, inside: tuple[str, bool] | None
) -> tuple[Any, ...] | None:
    strategy = options.get("scheduling_strategy")
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return ("node", strategy.node_id, strategy.soft)
    if strategy is None and inside is not None and inside[1]:
        return ("group", inside[0], -1, True)
    if strategy in (None, "DEFAULT"):
        return None
    if strategy == "SPREAD":
        return ("SPREAD",)
    if not isinstance(strategy, PlacementGroupSchedulingStrategy):
        raise ValueError(
            f"Invalid scheduling_strategy {strategy!r}: minimr has 'DEFAULT', "
            "'SPREAD', NodeAffinitySchedulingStrategy and "
            "PlacementGroupSchedulingStrategy"
        )
    group = strategy.placement_group
    if group is None:
        return None
    index = strategy.placement_group_bundle_index
    group.check(index, dict(amounts(options, cpus)))
    captures = strategy.placement_group_capture_child_tasks
    return ("group", group.id, index, captures)


def amounts(
    options: Mapping[str, Any],
    cpus: float,
    where: tuple[Any, ...] | None = None,
) -> Amounts:
    """Return the resources that options ask for.

    In a placement group they have names of their own (`node/bundles.py`).
    """
    asked = options.get("num_cpus")
    wanted = {
        "CPU": cpus if asked is None else asked,
        "GPU": options.get("num_gpus"),
        "memory": options.get("memory"),
        **(options.get("resources") or {}),
    }
    needs = [(name, float(need)) for name, need in wanted.items() if need]
    if where is None or where[0] != "group":
        return tuple(needs)
    _, group, index, _ = where
    needs.append((m.BUNDLE, m.BUNDLE_SHARE))
    bundles = (-1,) if index < 0 else (index, -1)
    return tuple(
        (m.in_group(name, group, bundle), need)
        for name, need in needs
        for bundle in bundles
    )


def signature(function: Any, method: bool = False) -> str | None:
    """Return a function's parameters as text; None: unknown (built in)."""
    try:
        known = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    parameters = [
        p.replace(
            annotation=p.empty,
            default=p.empty if p.default is p.empty else None,
        )
        for p in known.parameters.values()
    ]
    return str(inspect.Signature(parameters[1:] if method else parameters))


@lru_cache(1000)
def stub(parameters: str | None, name: str) -> Callable[..., None]:
    """Return a function that takes the same arguments, and does nothing.

    So Python itself refuses wrong arguments, at the call and not on a worker.
    """
    names = "(*args, **kwargs)" if parameters is None else parameters
    made: Callable[..., None] = eval(f"lambda {names[1:-1]}: None")
    made.__qualname__ = name
    return made
