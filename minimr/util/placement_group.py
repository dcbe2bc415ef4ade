"""Placement groups: resources on several nodes, reserved together.

    placement_group([{"CPU": 1}, {"CPU": 1}], strategy="SPREAD")
        bundle 0 ──> node A: 1 CPU      tasks and actors with a
        bundle 1 ──> node B: 1 CPU      PlacementGroupSchedulingStrategy

How it is done: `minimr/core/control/placement_groups.py`. Ray: the
same module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minimr.core import messages as m
from minimr.core.api.session import session
from minimr.core.process.records import FIRST, ObjectRef
from minimr.core.serialization import as_failed, pack
from minimr.exceptions import TaskPlacementGroupRemoved
from minimr.system import machine

STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")


class PlacementGroup:
    """A handle to a placement group; it can be passed to tasks.

    Attributes:
        id: hexadecimal.
        bundle_specs: the resources of each bundle.
    """

    def __init__(
        self, id: str, bundle_specs: Sequence[Mapping[str, float]]
    ) -> None:
        self.id = id
        self.bundle_specs = [dict(bundle) for bundle in bundle_specs]

    @property
    def bundle_count(self) -> int:
        """The number of bundles."""
        return len(self.bundle_specs)

    @property
    def is_empty(self) -> bool:
        """False: a group has at least one bundle."""
        return False

    def ready(self) -> ObjectRef:
        """Return a reference to this group, ready when the group is.

        Blocks: no. Getting it raises `TaskPlacementGroupRemoved` once the
        group was removed.
        """
        runtime = session()
        id = runtime.new_id() + FIRST
        with runtime.lock:
            ref: ObjectRef = runtime.objects.new(id, None)

            def answered(answer: Any) -> None:
                value: m.Value = pack(self).data
                match answer:
                    case m.Refusal(why) | str(why):  # or the head is gone
                        error = TaskPlacementGroupRemoved(why)
                        value = as_failed(error)
                runtime.objects.fulfil(ref.entry, value)

            runtime.ask(runtime.head(), answered, m.AwaitGroup(self.id))
        runtime.hub.flush()
        return ref

    def wait(self, timeout_seconds: float = 30) -> bool:
        """Return whether the group is there. Blocks: at most that long."""
        runtime = session()
        ready = [self.ready()]
        return bool(runtime.values.wait(ready, 1, timeout_seconds)[0])

    def check(self, index: int, wanted: Mapping[str, float]) -> None:
        """Refuse resources that fit into no bundle.

        Raises:
            ValueError: names what was asked for, and the bundles.
        """
        if not -1 <= index < self.bundle_count:
            raise ValueError(
                f"placement group bundle index {index} is invalid. Valid "
                f"placement group indexes: 0-{self.bundle_count - 1}"
            )
        bundles = self.bundle_specs
        if index >= 0:
            bundles = [bundles[index]]
        if not any(
            all(bundle.get(name, 0) >= need for name, need in wanted.items())
            for bundle in bundles
        ):
            request = m.format_resources(wanted.items())
            raise ValueError(
                "Cannot schedule this with the placement group because the "
                f"resource request {request} cannot fit into any bundles for "
                f"the placement group, {bundles}"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementGroup) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"PlacementGroup({self.id}, {self.bundle_specs})"


def placement_group(
    bundles: Sequence[Mapping[str, float]],
    strategy: str = "PACK",
    name: str = "",
    lifetime: str | None = None,
) -> PlacementGroup:
    """Ask for bundles of resources, all of them or none.

    Blocks: until the control store has noted it. Wait for the resources with
    `ready`.

    Args:
        strategy: PACK: few nodes; SPREAD: many; STRICT_PACK: one;
            STRICT_SPREAD: one per bundle.
        lifetime: "detached": the group outlives the driver that asks for it.

    Raises:
        ValueError: a bundle, the strategy or the lifetime is invalid, or the
            name is taken.
    """
    _check(bundles, strategy, lifetime)
    runtime = session()
    spec = m.GroupSpec(
        machine.random_bytes(16).hex(),
        name,
        runtime.job.namespace,
        tuple(
            tuple((key, float(n)) for key, n in bundle.items())
            for bundle in bundles
        ),
        strategy,
        lifetime == "detached",
    )
    refusal = runtime.ask_head(m.CreateGroup(spec))
    if isinstance(refusal, m.Refusal):
        raise ValueError(refusal.why)
    return _handle(spec)


def _check(
    bundles: Sequence[Mapping[str, float]], strategy: str, lifetime: Any
) -> None:
    if not isinstance(bundles, list):
        raise ValueError(f"Placement group bundles must be a list: {bundles}")
    if not bundles:
        raise ValueError("Bundles must be a non-empty list of resources.")
    for bundle in bundles:
        amounts = [*bundle.values()] if isinstance(bundle, Mapping) else []
        if not any(amounts) or min(amounts) < 0:
            raise ValueError(
                "Bundles cannot be an empty dictionary or have only 0 or "
                f"negative resources. Bundle: {bundle}"
            )
    if strategy not in STRATEGIES:
        raise ValueError(
            f"Invalid placement group strategy {strategy}. Supported "
            f"strategies are: {STRATEGIES}."
        )
    if lifetime not in (None, "detached"):
        raise ValueError(
            "Placement group `lifetime` argument must be either `None` or "
            f"'detached'. Got {lifetime}."
        )


def _handle(spec: m.GroupSpec) -> PlacementGroup:
    return PlacementGroup(spec.id, [dict(bundle) for bundle in spec.bundles])


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """Return a group's resources to the nodes, and end what runs in it.

    Blocks: until the control store has noted it.
    """
    session().ask_head(m.RemoveGroup(placement_group.id))


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """Return the group of that name in this namespace.

    Raises:
        ValueError: there is no such group.
    """
    runtime = session()
    name, namespace = placement_group_name, runtime.job.namespace
    question = m.FindGroup(name, namespace)
    spec = runtime.ask_head(question) if name else None
    if spec is None:
        raise ValueError(
            f"Failed to look up placement group with name: {name!r}"
        )
    return _handle(spec)


def placement_group_table(
    placement_group: PlacementGroup | None = None,
) -> dict[str, Any]:
    """Return the description of a group, or of all: {id: description}."""
    rows = session().ask_head(m.Query("groups"))
    table = {row["placement_group_id"]: row for row in rows}
    if placement_group is None:
        return table
    row: dict[str, Any] = table.get(placement_group.id, {})
    return row


def get_current_placement_group() -> PlacementGroup | None:
    """Return the group that this task or actor is in; None in a driver."""
    group = session().duty.group
    if group is None:
        return None
    row = placement_group_table()[group[0]]
    return PlacementGroup(row["placement_group_id"], row["bundles"].values())
