"""Nodes as network namespaces on a bridge, each in a cgroup.

     mrlab-br  (no address: nothing outside can be reached, nor reach in)
        ├── mrlab-n1 ══ eth0 10.77.0.1  in namespace mrlab-n1, cgroup mrlab/n1
        ├── mrlab-n2 ══ eth0 10.77.0.2  in namespace mrlab-n2, cgroup mrlab/n2
        ⋮      tbf both ways

A process is moved into its cgroup and namespace before it becomes the
command, so nothing that this starts is ever outside.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.lab import cgroups, processes
from benchmarks.lab.cgroups import Cgroups
from benchmarks.lab.ground import (
    NO_SHARE,
    Ground,
    Usage,
    usage_of,
    with_environ,
)
from benchmarks.lab.plan import LabError, Node

PROGRAMS = ("ip", "tc", "nsenter", "unshare")
NETNS = Path("/run/netns")
DEVICES = Path("/sys/class/net")
LATENCY = "50ms"  # how long a packet may wait for its turn
LEAST_BURST_BYTES = 2**17  # two of the largest packets of Linux
TICK_S = 0.004  # of the kernel: tbf must send a burst within it
SLOWER = 5.0  # so many times, when a node is slowed
UP_TIMEOUT_S = 10.0
FORWARDING = "3"  # the state of a port of a bridge that is in use
UNITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def why_not() -> str:
    """Return why there can be no namespaces here; "": there can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)} here"
    tried = subprocess.run(
        ["unshare", "--net", "true"],
        capture_output=True,
        start_new_session=True,
    )
    return "network namespaces need root" if tried.returncode else ""


def burst_bytes(bandwidth: str) -> int:
    """Return how many bytes a link of this bandwidth may send at once.

    Raises:
        LabError: it is no bandwidth.
    """
    parts = re.fullmatch(r"([0-9.]+)([kmg]bit)", bandwidth)
    if parts is None:
        raise LabError(f"{bandwidth!r} is no bandwidth: 1gbit, 100mbit, ...")
    bits = float(parts[1]) * UNITS[parts[2]]
    return max(LEAST_BURST_BYTES, round(bits / 8 * TICK_S))


class Namespaces(Ground):
    """Nodes with their own network, link and CPU share. Needs root."""

    @cached_property
    def groups(self) -> Cgroups | None:
        """The cgroups, if a share was asked for."""
        return None if self.plan.cpu_share is None else cgroups.find()

    def name(self, node: Node) -> str:
        """Return the name of the namespace and of its link's outer end."""
        return f"{self.plan.name}-{node.name}"

    @property
    def bridge(self) -> str:
        """The bridge, a switch between the nodes."""
        return f"{self.plan.name}-br"

    def make_common(self) -> None:
        """Make the bridge, and the cgroup above those of the nodes."""
        there = (DEVICES / self.bridge).exists()
        self._claim("device", there, name=self.bridge)
        if not there:
            self.shell.run("ip", "link", "add", self.bridge, "type", "bridge")
        self.shell.run("ip", "link", "set", self.bridge, "up")
        if self.groups is not None:
            if self.groups.version == 2:
                self._delegate(self.groups.roots[0])
            self._make_cgroup(self.plan.name)
            folder = self.groups.folders(self.plan.name)[0]
            weight = self.groups.weight(folder, self.plan.nodes)
            for path, text in weight.items():
                self.shell.write(path, text)

    def make(self, node: Node) -> None:
        """Make the namespace, the link, and the cgroup."""
        name = self.name(node)
        if self.groups is not None:
            self._make_cgroup(self.plan.name, node.name)
        there = (NETNS / name).exists()
        self._claim("namespace", there, name=name)
        if not there:
            self.shell.run("ip", "netns", "add", name)
        there = (DEVICES / name).exists()
        self._claim("device", there, name=name)
        if not there:
            self._make_link(node, name)

    def _make_link(self, node: Node, name: str) -> None:
        run, inside = self.shell.run, ("ip", "-n", name)
        run("ip", "link", "add", name, "type", "veth",
            "peer", "name", "eth0", "netns", name)  # fmt: skip
        run(*inside, "addr", "add", f"{node.address}/24", "dev", "eth0")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "set", "eth0", "up")
        if self.plan.bandwidth is not None:
            limit = ("root", "tbf", "rate", self.plan.bandwidth, "burst",
                     str(burst_bytes(self.plan.bandwidth)),
                     "latency", LATENCY)  # fmt: skip
            run("tc", "qdisc", "add", "dev", name, *limit)
            run("tc", "-n", name, "qdisc", "add", "dev", "eth0", *limit)
        run("ip", "link", "set", name, "master", self.bridge, "up")

    def _make_cgroup(self, *names: str) -> None:
        assert self.groups is not None
        for folder in self.groups.folders(*names):
            self._claim("cgroup", folder.exists(), path=str(folder))
            self.shell.make_folder(folder)
        if self.groups.version == 2 and len(names) == 1:
            self._delegate(self.groups.roots[0] / names[0])

    def _delegate(self, folder: Path) -> None:
        """Enable quotas for the groups below a folder (version 2)."""
        control = folder / "cgroup.subtree_control"
        if self.shell.dry or not cgroups.shares(folder):
            self._claim("controller", False, path=str(control))
            self.shell.write(control, "+cpu")

    def limit(self, nodes: Sequence[Node], on: bool) -> None:
        """Set the quotas, or lift them."""
        if self.groups is None:
            return
        for node in nodes:
            self._set_share(node, self.plan.cpu_share if on else None)

    def slow(self, node: Node) -> None:
        """Let a node have a part of its CPU share, until `limit`."""
        if self.plan.cpu_share is None:
            raise LabError(NO_SHARE)
        self._set_share(node, self.plan.cpu_share / SLOWER)

    def _set_share(self, node: Node, share: float | None) -> None:
        assert self.groups is not None
        folder = self.groups.folders(self.plan.name, node.name)[0]
        for path, text in self.groups.quota(folder, share).items():
            self.shell.write(path, text)

    def enter(
        self, node: Node, environ: dict[str, str], argv: Sequence[str]
    ) -> list[str]:
        """Return a shell that enters the node, then becomes the command."""
        lines = [
            f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}"
            for folder in self._cgroups(node)
        ]
        net = shlex.quote(f"--net={NETNS / self.name(node)}")
        script = " && ".join([*lines, f'exec nsenter {net} "$@"'])
        return ["sh", "-c", script, "sh", *with_environ(environ, argv)]

    def set_link(self, node: Node, up: bool) -> None:
        """Take the outer end of the link down, or up."""
        state = "up" if up else "down"
        self.shell.run("ip", "link", "set", self.name(node), state)
        until = time.monotonic() + UP_TIMEOUT_S
        while up and not self._carries(node):  # the kernel lets it in later
            if time.monotonic() > until:
                raise LabError(f"the link of {node.name} does not come up")
            time.sleep(0.02)
        for other in self.plan.all() if up else ():
            # A failed look-up of its address would be remembered a while.
            self.shell.run("ip", "-n", self.name(other), "neigh", "flush",
                           "dev", "eth0")  # fmt: skip

    def _carries(self, node: Node) -> bool:
        """Return whether both ends and the bridge are ready for packets."""
        name = self.name(node)
        inner = self.shell.run("ip", "-n", name, "link", "show", "eth0")
        port = DEVICES / name / "brport/state"
        return "state UP" in inner and port.read_text().strip() == FORWARDING

    def end_processes(self, node: Node) -> None:
        """Kill all processes of the node."""
        processes.end_all(lambda: self._pids(node))

    def usage(self, node: Node) -> Usage:
        """Return what a node has used, by its cgroup and its link."""
        living = usage_of(processes.facts(self._pids(node)))
        seconds = living.cpu_seconds
        if self.groups is not None:
            seconds = self.groups.cpu_seconds(self.plan.name, node.name)
        device = DEVICES / self.name(node)
        flags = int((device / "flags").read_text(), 16)
        return Usage(
            living.processes,
            seconds,
            living.memory_bytes,
            # what the outer end receives is what the node has sent
            int((device / "statistics/rx_bytes").read_text()),
            int((device / "statistics/tx_bytes").read_text()),
            bool(flags & 1),
        )

    def remove(self, thing: dict[str, Any]) -> None:
        """Remove a device, a namespace or a cgroup, with its processes."""
        if thing["kind"] == "device":
            if (DEVICES / thing["name"]).exists():
                self.shell.run("ip", "link", "del", thing["name"])
        elif thing["kind"] == "namespace":
            path = NETNS / thing["name"]
            processes.end_all(lambda: processes.in_namespace(path))
            if path.exists():
                self.shell.run("ip", "netns", "del", thing["name"])
        elif thing["kind"] == "controller":
            with suppress(OSError):  # another group needs it by now
                Path(thing["path"]).write_text("-cpu")
        else:
            folder = Path(thing["path"])
            processes.end_all(lambda: processes.in_cgroup(folder))
            with suppress(FileNotFoundError):
                folder.rmdir()

    def _pids(self, node: Node) -> set[int]:
        found = processes.in_namespace(NETNS / self.name(node))
        for folder in self._cgroups(node):
            found |= processes.in_cgroup(folder)
        return found

    def _cgroups(self, node: Node) -> list[Path]:
        if self.groups is None:
            return []
        return self.groups.folders(self.plan.name, node.name)
