"""The CPU share of a node: a cgroup, of version 1 or 2.

    v1   /sys/fs/cgroup/cpu/LAB          cpu.shares
         /sys/fs/cgroup/cpu/LAB/n1       cpu.cfs_quota_us, cpu.cfs_period_us
         /sys/fs/cgroup/cpuacct/LAB/n1   cpuacct.usage, nanoseconds
    v2   /sys/fs/cgroup/LAB              cpu.weight
         /sys/fs/cgroup/LAB/n1           cpu.max; cpu.stat, microseconds

The quota is per period, so the period is short: a node that has used up its
share continues within milliseconds, like a slower machine.

The rules of the kernel (Documentation/admin-guide/cgroup-v2.rst):

1. A group has `cpu.max` if `cgroup.subtree_control` of its parent has `cpu`,
   and so on up to the root.
2. Only the machine's root group can have both quotas below it and processes
   of its own. The root that a container sees is not that group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab.plan import LabError

PERIOD_US = 10_000
LEAST_QUOTA_US = 1_000  # the kernel's
MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Cgroups:
    """Where the trees are mounted."""

    version: int
    roots: tuple[Path, ...]  # the one with the quota first

    def folders(self, *names: str) -> list[Path]:
        """Return the folders of a cgroup, one per tree."""
        return [root.joinpath(*names) for root in self.roots]

    def quota(self, folder: Path, share: float | None) -> dict[Path, str]:
        """Return what to write for a share of a core; None: unlimited."""
        period = PERIOD_US
        if share is not None:
            period = max(period, round(LEAST_QUOTA_US / share))
        quota = -1 if share is None else round(share * period)
        if self.version == 2:
            text = "max" if quota < 0 else str(quota)
            return {folder / "cpu.max": f"{text} {period}"}
        return {
            folder / "cpu.cfs_period_us": str(period),
            folder / "cpu.cfs_quota_us": str(quota),
        }

    def weight(self, folder: Path, nodes: int) -> dict[Path, str]:
        """Return what to write so that each node counts like a program.

        Otherwise all nodes together count as one, and other programs slow
        five nodes down five times as much as one.
        """
        if self.version == 2:
            return {folder / "cpu.weight": str(min(100 * nodes, 10_000))}
        return {folder / "cpu.shares": str(1024 * nodes)}

    def cpu_seconds(self, *names: str) -> float:
        """Return what the processes of a cgroup have used."""
        if self.version == 1:
            usage = self.roots[-1].joinpath(*names, "cpuacct.usage")
            return int(usage.read_text()) / 1e9
        text = self.roots[0].joinpath(*names, "cpu.stat").read_text()
        fields = dict(line.split() for line in text.splitlines())
        return int(fields["usage_usec"]) / 1e6


def find(mounts: str | None = None) -> Cgroups:
    """Return a tree of cgroups that can limit the CPU.

    Raises:
        LabError: there is none.
    """
    trees: dict[str, Path] = {}
    for line in (mounts or MOUNTS.read_text()).splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        path = Path(before.split()[4])
        if kind == "cgroup":
            trees |= dict.fromkeys(options.split(","), path)
        elif kind == "cgroup2":
            trees["2"] = path
    if "cpu" in trees and "cpuacct" in trees:
        roots = dict.fromkeys((trees["cpu"], trees["cpuacct"]))
        return Cgroups(1, tuple(roots))
    if "2" in trees and _can_share(trees["2"]):
        return Cgroups(2, (trees["2"],))
    raise LabError("no cgroup of this system can limit the CPU")


def shares(folder: Path) -> bool:
    """Return whether the groups below a folder have quotas (version 2)."""
    return "cpu" in (folder / "cgroup.subtree_control").read_text().split()


def _can_share(root: Path) -> bool:
    if "cpu" not in (root / "cgroup.controllers").read_text().split():
        return False
    of_the_machine = not (root / "cgroup.type").exists()
    if of_the_machine or shares(root):
        return True
    if (root / "cgroup.procs").read_text().split():
        raise LabError(
            f"there are processes in {root} itself, so there is no CPU share "
            f"below it: move them into a group of their own, as {root}/init"
        )
    return True
