"""What is asked for, and what is written down: nothing is made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.lab import cgroups, engines
from benchmarks.lab.cli import make_plan
from benchmarks.lab.journal import Journal
from benchmarks.lab.lab import Lab
from benchmarks.lab.namespaces import burst_bytes
from benchmarks.lab.plan import LabError, Plan
from benchmarks.lab.processes import in_cgroup
from minimr.cli.workers import read_hosts

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"""
JOINED = "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"


def plan(**changed: object) -> Plan:
    fields: dict[str, object] = {"name": "lab", "home": "/nowhere/lab"}
    return Plan(**{**fields, "ground": "namespaces", **changed})  # type: ignore[arg-type]


def test_nodes_have_names_and_addresses_from_one_on() -> None:
    nodes = plan(nodes=3).all()
    assert [node.name for node in nodes] == ["n1", "n2", "n3"]
    assert [n.address for n in nodes] == [
        "10.77.0.1",
        "10.77.0.2",
        "10.77.0.3",
    ]
    assert plan().node("n3") == plan().node("3") == nodes[2]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": "a-lab"}, "is not a small letter"),
        ({"name": "muchtoolong"}, "is not a small letter"),
        ({"nodes": 0}, "1 to 200"),
        ({"nodes": 3, "hosts": (("a", "b"),)}, "only 1 hosts"),
    ],
)
def test_what_cannot_be_is_refused(
    changed: dict[str, object], why: str
) -> None:
    with pytest.raises(LabError, match=why):
        plan(**changed)


def test_a_node_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(LabError, match="no node 'n9': there are n1 to n5"):
        plan().node("n9")


def test_a_plan_says_what_it_lacks() -> None:
    text = plan(ground="loopback", without="there is no tc here").in_words()
    assert "loopback addresses" in text
    assert "no CPU share" in text
    assert "there is no tc here" in text


def test_a_list_of_hosts_has_addresses_and_what_ssh_is_told() -> None:
    text = "10.0.0.1 ann@first  # the head\n\n# none\n10.0.0.2\n"
    assert read_hosts(text) == (
        ("10.0.0.1", "ann@first"),
        ("10.0.0.2", "10.0.0.2"),
    )


@pytest.mark.parametrize(
    ("bandwidth", "burst"),
    [("1gbit", 500_000), ("100mbit", 2**17), ("2.5gbit", 1_250_000)],
)
def test_a_link_may_send_at_once_what_gathers_in_a_tick(
    bandwidth: str, burst: int
) -> None:
    assert burst_bytes(bandwidth) == burst


def test_a_bandwidth_without_a_unit_is_refused() -> None:
    with pytest.raises(LabError, match="1gbit, 100mbit"):
        burst_bytes("1000")


def test_version_1_of_cgroups_is_found_where_it_has_the_cpu() -> None:
    found = cgroups.find(HYBRID)
    assert found.version == 1
    assert found.roots == (
        Path("/sys/fs/cgroup/cpu"),
        Path("/sys/fs/cgroup/cpuacct"),
    )
    assert cgroups.find(JOINED).roots == (Path("/cg/cpu,cpuacct"),)


def test_version_2_of_cgroups_is_found_and_read(tmp_path: Path) -> None:
    line = f"41 31 0:38 / {tmp_path} rw - cgroup2 cgroup2 rw"
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")
    found = cgroups.find(line)
    assert found == cgroups.Cgroups(2, (tmp_path,))
    (tmp_path / "lab/n1").mkdir(parents=True)
    stat = tmp_path / "lab/n1/cpu.stat"
    stat.write_text("usage_usec 1500000\nuser_usec 1\n")
    assert found.cpu_seconds("lab", "n1") == 1.5
    folder = Path("x")
    assert found.quota(folder, 0.3) == {folder / "cpu.max": "3000 10000"}
    assert found.quota(folder, None) == {folder / "cpu.max": "max 10000"}


def container(
    root: Path, processes: str, enabled: str = ""
) -> cgroups.Cgroups:
    """Look at a folder as the root of a container's cgroups shows itself."""
    (root / "cgroup.controllers").write_text("cpu pids\n")
    (root / "cgroup.type").write_text("domain\n")
    (root / "cgroup.procs").write_text(processes)
    (root / "cgroup.subtree_control").write_text(enabled)
    return cgroups.find(f"41 31 0:38 / {root} rw - cgroup2 cgroup2 rw")


def test_a_container_has_shares_unless_its_processes_stand_in_the_way(
    tmp_path: Path,
) -> None:
    assert container(tmp_path, "").version == 2
    assert container(tmp_path, "1\n", "cpu").version == 2
    with pytest.raises(LabError, match="move them into a group"):
        container(tmp_path, "1\n7\n")


def test_a_lab_without_cgroups_has_no_share_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("31 23 0:28 / / rw - ext4 /dev/sda rw")
    monkeypatch.setattr(cgroups, "MOUNTS", mounts)
    monkeypatch.setattr("benchmarks.lab.namespaces.why_not", lambda: "")
    made = make_plan("lab", engine="none", nodes=2, cpu_share=0.3)
    assert (made.ground, made.cpu_share) == ("namespaces", None)
    assert "can limit the CPU" in made.in_words()


def test_a_process_of_another_pid_namespace_is_never_ended(
    tmp_path: Path,
) -> None:
    (tmp_path / "cgroup.procs").write_text("0\n12\n")
    assert in_cgroup(tmp_path) == {12}


def test_calls_of_ray_to_a_node_that_is_cut_end_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "RAY_grpc_client_keepalive_time_ms"
    monkeypatch.delenv(name, raising=False)
    given = [engines.environ(plan(), node) for node in plan().all()]
    assert {int(each[name]) <= 10_000 for each in given} == {True}
    monkeypatch.setenv(name, "77")  # who sets it knows why
    assert engines.environ(plan(), plan().head)[name] == "77"


def test_without_a_cgroup_for_the_cpu_there_is_no_share(
    tmp_path: Path,
) -> None:
    (tmp_path / "cgroup.controllers").write_text("pids\n")
    with pytest.raises(LabError, match="can limit the CPU"):
        cgroups.find(f"41 31 0:38 / {tmp_path} rw - cgroup2 cgroup2 rw")


def test_a_node_weighs_as_much_as_a_program_outside() -> None:
    folder = Path("x")
    first, second = cgroups.Cgroups(1, ()), cgroups.Cgroups(2, ())
    assert first.weight(folder, 5) == {folder / "cpu.shares": "5120"}
    assert second.weight(folder, 5) == {folder / "cpu.weight": "500"}
    assert second.weight(folder, 200) == {folder / "cpu.weight": "10000"}


def test_a_small_share_gets_a_longer_period() -> None:
    quota = cgroups.Cgroups(1, ()).quota(Path("x"), 0.05)
    assert quota[Path("x/cpu.cfs_quota_us")] == "1000"
    assert quota[Path("x/cpu.cfs_period_us")] == "20000"


def test_the_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    wanted = plan(hosts=(("a", "b"),) * 5, ports=(("ray", 7),))
    journal.begin(wanted)
    journal.note({"kind": "device", "name": "lab-br"})
    again = Journal(str(tmp_path))
    assert again.plan == wanted
    assert again.things == [{"kind": "device", "name": "lab-br"}]
    assert not again.complete
    journal.finish()
    assert Journal(str(tmp_path)).complete


def test_one_node_heads_each_engine_and_the_others_join_it() -> None:
    it = plan(engines=("minimr", "ray"))
    head, joining = it.all()[:2]
    for engine in it.engines:
        first = engines.start_command(engine, it, head)
        assert "--head" in first
        second = engines.start_command(engine, it, joining)
        where = second[second.index("--address") + 1]
        assert where == engines.address(it, engine)
        assert joining.address in second


def test_a_dry_run_makes_nothing_and_shows_every_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINIMR_LAB", str(tmp_path))
    made = make_plan("lab", loopback=True, engine="both", nodes=2)
    Lab(made.home, dry=True).up(made)
    shown = capsys.readouterr().err
    assert shown.count("minimr start --head") == 1
    assert shown.count("minimr start --address") == 1
    assert shown.count("ray.scripts.scripts start") == 2
    assert list(tmp_path.iterdir()) == []


def test_no_secret_stands_in_a_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINIMR_LAB", str(tmp_path))
    made = make_plan("lab", loopback=True, engine="none", nodes=1)
    Path(made.home).mkdir()
    engines.make_tokens(made)
    tokens = [p.read_text().strip() for p in Path(made.home).glob("*-token")]
    assert len(set(tokens)) == 2
    environ = json.dumps(engines.environ(made, made.head))
    assert not any(token in environ for token in tokens)
