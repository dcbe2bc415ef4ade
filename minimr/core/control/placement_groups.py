"""Placement groups: bundles of resources, reserved together on the nodes.

    CreateGroup ───> PENDING ── place() ──> Reserve on each node
                        ▲                    │          │
                        └── one has refused ─┘          ▼
                              a node dies <──────── CREATED
                                   │                    │
                              RESCHEDULING          REMOVED, with its creator

A bundle is a part of its node under names of its own, as in Ray: with
{"CPU": 2} for bundle 0 of group G, a node loses 2 CPU and has 2 "CPU_group_G"
and 2 "CPU_group_0_G". A task of the group asks for those, and so the scheduler
knows nothing of groups.

Rules:

1. All bundles are reserved, or none: what was reserved is given back when
   one node refuses, and all is tried again when the nodes report a change.
2. Nobody uses a bundle before the whole group is there: owners wait for it,
   and so do the actors of the control store. (Ray: two phases, prepare and
   commit.)
3. What runs in a group ends with it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

from minimr.core import messages as m
from minimr.core.scheduler import holds, total
from minimr.net.channel import Address
from minimr.net.endpoint import AskFunction, Link
from minimr.net.messages import Handler, Reply
from minimr.net.peer import Peer

MAX_REMOVED = 1000  # still listed

Bundle = Mapping[str, float]


def place(
    bundles: Sequence[Bundle],
    strategy: str,
    nodes: Sequence[m.NodeInfo],
    used: Sequence[str] = (),
) -> list[str] | None:
    """Return a node for each bundle; None: they do not fit at the moment.

    The largest bundles choose first. PACK fills as few nodes as it can,
    SPREAD uses as many; the strict ones use one, or one each.

    Args:
        nodes: those that live, with what they have left.
        used: the nodes of bundles of the group that are there already.

    Returns:
        the ids of the nodes, in the order of the bundles.
    """
    if strategy == "STRICT_PACK":
        near = [node for node in nodes if node.id in used] if used else nodes
        found = place([total(bundles)], "PACK", near)
        return found and found * len(bundles)
    free = {node.id: dict(node.available) for node in nodes}
    taken = Counter(used)
    chosen: dict[int, str] = {}
    by_size = sorted(
        range(len(bundles)), key=lambda i: -sum(bundles[i].values())
    )
    for index in by_size:
        bundle = bundles[index]
        able = [id for id, have in free.items() if holds(have, bundle)]
        if strategy == "STRICT_SPREAD":
            able = [id for id in able if not taken[id]]
        if not able:
            return None
        sign = -1 if strategy == "PACK" else 1
        best = min(
            able, key=lambda id: (sign * taken[id], -free[id].get("CPU", 0.0))
        )
        for name, need in bundle.items():
            free[best][name] -= need
        taken[best] += 1
        chosen[index] = best
    return [chosen[index] for index in range(len(bundles))]


class GroupState(Enum):
    """Where a group is in its life, by Ray's names."""

    PENDING = auto()
    CREATED = auto()
    RESCHEDULING = auto()  # it was there, and a node of it has died
    REMOVED = auto()


S = GroupState
MOVES = {
    S.PENDING: (S.CREATED, S.RESCHEDULING, S.REMOVED),
    S.CREATED: (S.RESCHEDULING, S.REMOVED),
    S.RESCHEDULING: (S.RESCHEDULING, S.CREATED, S.REMOVED),
    S.REMOVED: (),
}

Created = Callable[[list[Address]], None]  # with the places of its bundles
Removed = Callable[[str], None]  # with why there are none


@dataclass(eq=False)
class Group:
    """One placement group, from its creation until it is removed."""

    spec: m.GroupSpec
    owner: Peer  # the link of its creator
    state: GroupState = S.PENDING
    nodes: list[str | None] = field(default_factory=list)  # one per bundle
    reserving: int = 0  # nodes that have not answered
    refused: bool = False
    waiting: list[tuple[Created, Removed]] = field(default_factory=list)

    def move(self, state: GroupState) -> None:
        """Change the state, as the table allows."""
        assert state in MOVES[self.state], f"{self.state} -> {state}"
        self.state = state


class Groups:
    """The table of placement groups. Runs in: the control store.

    Args:
        nodes: the table of nodes, by their ids.
        link: returns the link to an address.
        ask: sends a question on a link, and calls with the answer.
    """

    def __init__(
        self,
        nodes: Mapping[str, m.NodeInfo],
        *,
        link: Link,
        ask: AskFunction,
    ) -> None:
        self.table: dict[str, Group] = {}  # those that are not removed
        self._nodes = nodes
        self._link, self._ask = link, ask
        self._removed: deque[Group] = deque(maxlen=MAX_REMOVED)  # still listed

    def handlers(self) -> list[Handler]:
        """Return what it is asked."""
        return [
            m.CreateGroup.to(self._on_create_group),
            m.FindGroup.to(self._on_find_group),
            m.AwaitGroup.to(self._on_await_group),
            m.RemoveGroup.to(self._on_remove_group),
        ]

    def _on_create_group(
        self, peer: Peer, create: m.CreateGroup, reply: Reply[m.Refusal | None]
    ) -> None:
        spec = create.spec
        if spec.name and self._named(spec.name, spec.namespace):
            why = f"the name {spec.name!r} is taken by a placement group"
            reply(m.Refusal(why))
            return
        group = Group(spec, peer, nodes=[None] * len(spec.bundles))
        self.table[spec.id] = group
        reply(None)
        self._reserve(group)

    def _named(self, name: str, namespace: str) -> Group | None:
        for group in self.table.values():
            spec = group.spec
            if (spec.name, spec.namespace) == (name, namespace):
                return group
        return None

    def _on_find_group(
        self, peer: Peer, find: m.FindGroup, reply: Reply[m.GroupSpec | None]
    ) -> None:
        group = self._named(find.name, find.namespace)
        reply(None if group is None else group.spec)

    def _on_await_group(
        self,
        peer: Peer,
        wait: m.AwaitGroup,
        reply: Reply[list[Address] | m.Refusal],
    ) -> None:
        self.when_created(
            wait.id, created=reply, removed=lambda why: reply(m.Refusal(why))
        )

    def when_created(
        self, id: str, created: Created, removed: Removed
    ) -> None:
        """Call with the places of the bundles, or why there are none."""
        group = self.table.get(id)
        if group is None:
            removed("The placement group has been removed.")
        elif group.state is S.CREATED:
            created([self._nodes[id].address for id in group.nodes if id])
        else:
            group.waiting.append((created, removed))

    def nodes_changed(self) -> None:
        """Try again: a node has reported something new."""
        for group in self.table.values():
            if group.state in (S.PENDING, S.RESCHEDULING):
                self._reserve(group)

    # ---- reserving ----

    def _reserve(self, group: Group) -> None:
        if group.reserving:
            return
        missing = [i for i, node in enumerate(group.nodes) if node is None]
        spec, there = group.spec, [id for id in group.nodes if id is not None]
        living = [node for node in self._nodes.values() if node.alive]
        bundles = [dict(spec.bundles[i]) for i in missing]
        chosen = place(bundles, spec.strategy, living, there)
        if chosen is None:
            return
        group.refused = False
        for id in dict.fromkeys(chosen):
            here = [i for i, c in zip(missing, chosen, strict=True) if c == id]
            group.reserving += 1
            self._ask(
                self._link(self._nodes[id].address),
                partial(self._answered, group, id, here),
                m.Reserve(spec.id, [(i, spec.bundles[i]) for i in here]),
            )

    def _answered(
        self, group: Group, id: str, indices: list[int], answer: Any
    ) -> None:
        group.reserving -= 1
        if answer is True and self._nodes[id].alive:
            for index in indices:
                group.nodes[index] = id
        else:
            group.refused = True
        if group.reserving:
            return
        if group.state is S.REMOVED:
            self._give_back(group)
        elif None not in group.nodes:
            self._tell(group, S.CREATED)
        elif group.refused and group.state is S.PENDING:
            self._give_back(group)  # others may need it meanwhile

    def _tell(self, group: Group, state: GroupState) -> None:
        group.move(state)
        waiting, group.waiting = group.waiting, []
        for created, removed in waiting:
            self.when_created(group.spec.id, created, removed)

    def _give_back(self, group: Group) -> None:
        for id in dict.fromkeys(group.nodes):
            if id is not None and self._nodes[id].alive:
                link = self._link(self._nodes[id].address)
                link.post(m.Unreserve(group.spec.id))
        group.nodes = [None] * len(group.nodes)

    # ---- the end ----

    def _on_remove_group(
        self, peer: Peer, remove: m.RemoveGroup, reply: Reply[None]
    ) -> None:
        if remove.id in self.table:
            self._remove(self.table[remove.id])
        reply(None)

    def _remove(self, group: Group) -> None:
        del self.table[group.spec.id]
        self._removed.append(group)
        self._tell(group, S.REMOVED)
        self._give_back(group)  # and what is being reserved later

    def left(self, peer: Peer) -> None:
        """A process is gone, and so are the groups that it has made."""
        for group in list(self.table.values()):
            if group.owner is peer and not group.spec.detached:
                self._remove(group)

    def node_lost(self, id: str) -> None:
        """A node is dead, and so are its bundles: find others."""
        for group in self.table.values():
            if id in group.nodes:
                group.nodes = [None if n == id else n for n in group.nodes]
                group.move(S.RESCHEDULING)
                self._reserve(group)

    def rows(self) -> list[dict[str, Any]]:
        """Return all groups, as Ray's `placement_group_table` does."""
        return [
            {
                "placement_group_id": group.spec.id,
                "name": group.spec.name,
                "state": group.state.name,
                "strategy": group.spec.strategy,
                "is_detached": group.spec.detached,
                "bundles": {
                    i: dict(bundle)
                    for i, bundle in enumerate(group.spec.bundles)
                },
                "bundles_to_node_id": {
                    i: id or "" for i, id in enumerate(group.nodes)
                },
            }
            for group in (*self._removed, *self.table.values())
        ]
