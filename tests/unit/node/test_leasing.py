"""Who gets a worker, and what its owner is told: `scenarios/leasing.txt`."""

from __future__ import annotations

import itertools
import os
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.node.cluster_view import ClusterView
from minimr.core.node.leasing import Leasing
from minimr.core.node.resources import Pool
from minimr.core.node.worker_pool import Worker, WorkerPool
from minimr.system import machine
from tests.unit.scenario import World, replay, scenarios


class Workers(WorkerPool):
    """Workers that are numbers, and start when a scenario says so."""

    def __init__(self, world: Node) -> None:
        nothing: Any = lambda *_: None  # noqa: E731
        super().__init__(
            nothing,
            watch=nothing,
            unwatch=nothing,
            later=world.later,
            read_prints=nothing,
            last_words=nothing,
            ended=nothing,
        )
        self._world = world
        self._pids = itertools.count(1)

    def fork(self, env: m.Environment) -> None:
        if self.closed:
            return
        worker = Worker(env)
        worker.pid = next(self._pids)
        self.workers[worker.pid] = worker
        with_env = "".join(f" with {name}={text}" for name, text in env)
        self._world.follows(f"w{worker.pid} is forked{with_env}")


class Node(World):
    """A node that leases its workers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        killed = lambda pid, _: self.follows(f"w{pid} is killed")  # noqa: E731
        monkeypatch.setattr(machine, "kill", killed)

    def setup(self, cpus: str, gpus: str | None) -> None:
        amounts = {"CPU": float(cpus), "GPU": float(gpus or 0)}
        self.pool = Pool({name: n for name, n in amounts.items() if n})
        self.workers = Workers(self)
        self.others: dict[str, m.NodeInfo] = {}
        self.cluster = ClusterView(self.info)
        self.leasing = Leasing(
            self.pool,
            self.workers,
            self.cluster,
            changed=lambda: None,
            later=self.later,
        )

    def info(self) -> m.NodeInfo:
        have = (self.pool.total, dict(self.pool.available))
        return m.NodeInfo("here", ("here", 1), *have, os.getpid(), True)

    def say(self, message: Any) -> str:
        if isinstance(message, m.Leased):
            number, grant = message
            return (
                f"lease {grant.lease} of {grant.worker[0]}"
                + (f" for demand {number}" if number else "")
                + "".join(f", GPU {gpu}" for gpu in grant.gpus)
                + (", others wait" if grant.wanted else "")
                + (f", in group {grant.group[0]}" if grant.group else "")
            )
        if isinstance(message, m.Refused):
            if message.node is None:
                return f"refused: {message.why.partition(':')[0]}"
            return f"refused, ask {message.node[0]}"
        if isinstance(message, m.Reclaim):
            return "give back " + ("all" if message.busy else "the idle")
        if isinstance(message, m.Died):
            lease, why, begun = message
            return f"lease {lease} has died: {why}; {begun} begun"
        assert isinstance(message, m.Stop)
        return f"stop: {message.why}"

    # ---- what happens ----

    def wants(self, owner: str, count: str, options: str) -> None:
        given = dict.fromkeys(
            (word for word in options.split() if "=" not in word), ""
        ) | dict(word.split("=") for word in options.split() if "=" in word)
        amounts = {"CPU": given.pop("cpu", "1"), "GPU": given.pop("gpu", "0")}
        strategy: Any = None
        if "spread" in given:
            strategy = ("SPREAD",)
        elif "group" in given:
            strategy = ("group", given["group"], -1, True)
        elif "on" in given:
            strategy = ("node", given["on"], False)
        env = (("ENV", given["env"]),) if "env" in given else ()
        shape = m.Shape(
            tuple((k, float(v)) for k, v in amounts.items() if float(v)),
            strategy,
            env,
        )
        hold = None
        if "actor" in given:
            hold = () if given["actor"] == "" else (("CPU", 1.0),)
        demand = m.Demand(
            number=int(given.get("demand", 0)),
            shape=shape,
            hold=hold,
            job=given.get("job", "job"),
            workers=int(count),
            hops=int("sent" in given),
            answers=int(given.get("read", 0)),
        )
        self.leasing._on_demand(self.peer(owner), demand)

    def starts(self, pid: str) -> None:
        peer, name = self.peer(f"w{pid}"), (f"w{pid}", 1)
        process = self.workers.workers[int(pid)].process
        peer.data = SimpleNamespace(process=process, address=name)
        assert self.workers.hello(peer)
        self.leasing.schedule()

    def gives_back(self, owner: str, lease: str, why: str | None) -> None:
        at_once = bool(why) and why.endswith(", at once")
        why = (why or "").removesuffix(", at once")
        release = m.Release(int(lease), why, at_once)
        self.leasing._on_release(self.peer(owner), release)

    def waits(self, worker: str, waits: str) -> None:
        blocked = m.Blocked(waits == "waits")
        self.leasing._on_blocked(self.peer(worker), blocked)

    def dies(
        self, pid: str, how: str, begun: str | None, lease: str | None
    ) -> None:
        worker = self.workers.workers.pop(int(pid))
        code = {"dies": -9, "crashes": -11, "exits": 1}[how]
        if begun:
            name = b"f"
            m.PROGRESS.pack_into(
                worker.progress, 0, int(lease or 0), int(begun), name
            )
        self.leasing.worker_ended(worker, worker.how(code))

    def ends(self, why: str) -> None:
        self.workers.closed = True
        for worker in list(self.workers.workers.values()):
            self.workers.end(worker, why)

    def stranger(self) -> None:
        peer = self.peer("stranger")
        peer.data = SimpleNamespace(process=b"other", address=("other", 1))
        assert not self.workers.hello(peer)

    def leaves(self, owner: str) -> None:
        self.leasing.owner_left(self.peer(owner))

    def job_ends(self, job: str) -> None:
        self.leasing.job_ended(job)

    def group_ends(self, resource: str) -> None:
        self.leasing.end_users(resource, "its group is removed")

    def has(self, node: str, free: str, total: str) -> None:
        amounts = ({"CPU": float(total)}, {"CPU": float(free)})
        info = m.NodeInfo(node, (node, 1), *amounts, 1, True)
        self.others[node] = info
        self.cluster.update(list(self.others.values()))
        self.leasing.schedule()

    def tidies_up(self) -> None:
        self.cluster.forget_expectations()
        self.workers.trim(self.pool.cpus())
        self.leasing.schedule()

    def left(self) -> None:
        amounts = self.pool.available.items()
        self.follows(m.format_resources(amounts))

    commands = {  # noqa: RUF012
        r"a node with (\d+) CPU(?:, (\d+) GPU)?": setup,
        r"(\w+) wants (\d+)(.*)": wants,
        r"w(\d+) starts": starts,
        r"(\w+) gives lease (\d+) back(?:: (.*))?": gives_back,
        r"(w\d+) (waits|goes on)": waits,
        r"w(\d+) (dies|crashes|exits)(?:, (\d+) begun in lease (\d+))?": dies,
        r"a stranger says hello": stranger,
        r"the node ends: (.*)": ends,
        r"(\w+) leaves": leaves,
        r"job (\w+) ends": job_ends,
        r"(\w+) is removed": group_ends,
        r"(\w+) has (\S+) of (\d+) CPU left": has,
        r"the node tidies up": tidies_up,
        r"what is left\?": left,
        r"([\d.]+) s pass": World.pass_time,
    }


@pytest.mark.parametrize("scenario", scenarios("node/scenarios/leasing.txt"))
def test_leasing(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay(scenario, Node(monkeypatch)) == scenario
