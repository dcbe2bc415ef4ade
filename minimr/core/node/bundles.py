"""The bundles of placement groups that one node has set aside.

    control store ── Reserve(group, bundles) ──> all of them fit, or none
                  ── Unreserve(group)        ──> what uses them ends

See `minimr/core/control/placement_groups.py` for what a bundle is.
"""

from __future__ import annotations

from collections.abc import Callable

from minimr.core import messages as m
from minimr.core.node.resources import Pool
from minimr.core.scheduler import holds, total
from minimr.net.messages import Handler, Reply
from minimr.net.peer import Peer


class Bundles:
    """The bundles that one node has set aside. Runs in: the node.

    Args:
        end_users: called with (resource, why): what holds it has to end.
        changed: called when the node has more or less than before.
    """

    def __init__(
        self,
        pool: Pool,
        end_users: Callable[[str, str], None],
        changed: Callable[[], None],
    ) -> None:
        self.pool = pool
        self._end_users = end_users
        self._changed = changed
        # {group: what each bundle took from the node, its GPUs}
        self._taken: dict[str, list[tuple[m.Amounts, tuple[int, ...]]]] = {}

    def handlers(self) -> list[Handler]:
        """Return what it is told and asked."""
        return [
            m.Reserve.to(self._on_reserve),
            m.Unreserve.to(self._on_unreserve),
        ]

    def _on_reserve(
        self, peer: Peer, reserve: m.Reserve, reply: Reply[bool]
    ) -> None:
        group, bundles = reserve.group, reserve.bundles
        need = total([dict(amounts) for _, amounts in bundles])
        enough = holds(self.pool.available, need)
        if enough:
            for index, amounts in bundles:
                gpus = self.pool.reserve(group, index, amounts)
                self._taken.setdefault(group, []).append((amounts, gpus))
        reply(enough)
        self._changed()

    def _on_unreserve(self, peer: Peer, unreserve: m.Unreserve) -> None:
        group = unreserve.group
        taken = self._taken.pop(group, None)
        if taken is not None:
            why = "its placement group was removed"
            self._end_users(m.in_group(m.BUNDLE, group), why)
            self.pool.unreserve(group, taken)
            self._changed()
