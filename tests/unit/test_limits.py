"""What a cgroup allows: its own limits, and those above it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minimr.system import limits as module

MB = 2**20
MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
CPUS = len(os.sched_getaffinity(0))
VERSION_1 = "5:memory:/batch/job\n4:cpu,cpuacct:/batch/job\n0::/init\n"
VERSION_2 = "0::/batch/job\n"


def limits(
    folder: Path, version: str, files: dict[str, str]
) -> tuple[int, int]:
    """Write a hierarchy; give what we find there: memory, CPUs."""
    ours = folder / "ours"
    ours.write_text(version)
    for name, text in files.items():
        file = folder / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    where = (folder / "groups", ours)
    return module.memory_bytes(*where), module.cpus(*where)


@pytest.mark.parametrize(
    ("version", "files", "memory"),
    [
        (VERSION_2, {"batch/job/memory.max": str(64 * MB)}, 64 * MB),
        (VERSION_2, {"batch/memory.max": str(64 * MB)}, 64 * MB),
        (VERSION_2, {"memory.max": str(64 * MB)}, 64 * MB),
        (VERSION_2, {"batch/job/memory.max": "max"}, MACHINE),
        (VERSION_2, {"other/memory.max": str(64 * MB)}, MACHINE),
        (
            VERSION_2,
            {
                "batch/job/memory.max": str(64 * MB),
                "batch/memory.max": str(32 * MB),
            },
            32 * MB,
        ),
        (
            VERSION_1,
            {"memory/batch/job/memory.limit_in_bytes": str(64 * MB)},
            64 * MB,
        ),
        # In a container: the path is the host's, the root is ours.
        (VERSION_1, {"memory/memory.limit_in_bytes": str(64 * MB)}, 64 * MB),
        (VERSION_1, {"memory/memory.limit_in_bytes": str(2**63)}, MACHINE),
        ("", {}, MACHINE),
    ],
)
def test_memory_is_what_the_groups_allow(
    tmp_path: Path, version: str, files: dict[str, str], memory: int
) -> None:
    assert limits(tmp_path, version, files) == (memory, CPUS)


@pytest.mark.parametrize(
    ("version", "files", "cpus"),
    [
        (VERSION_2, {"batch/job/cpu.max": "100000 100000"}, 1),
        (VERSION_2, {"batch/cpu.max": "50000 100000"}, 1),
        (VERSION_2, {"batch/job/cpu.max": "max 100000"}, CPUS),
        (
            VERSION_1,
            {
                "cpu/batch/job/cpu.cfs_quota_us": "150000",
                "cpu/batch/job/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        (
            VERSION_1,
            {
                "cpu/batch/job/cpu.cfs_quota_us": "-1",
                "cpu/batch/job/cpu.cfs_period_us": "100000",
            },
            CPUS,
        ),
    ],
)
def test_cpus_are_what_the_groups_allow(
    tmp_path: Path, version: str, files: dict[str, str], cpus: int
) -> None:
    assert limits(tmp_path, version, files) == (MACHINE, cpus)
