"""The lives of actors: `scenarios/actors.txt`."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from minimr.core import messages as m
from minimr.core.control.actors import Actors
from minimr.net.channel import Address
from minimr.net.messages import GONE
from tests.unit.scenario import World, replay, scenarios

CPU = (("CPU", 1.0),)
LARGE = (((b"x", ("driver", 1)), m.Stored(10**6, [("far", 1)], ())),)


class Head(World):
    """The table of actors, and what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.nodes: dict[str, m.NodeInfo] = {}
        self.groups: list[Any] = []  # that are waited for
        self.constructors: dict[str, list[Any]] = {}  # {actor: its answers}
        self.actors = Actors(
            self.nodes,
            ("head", 1),
            link=lambda address: self.peer(address[0]),
            ask=self.ask,
            later=self.later,
            when_created=lambda id, *then: self.groups.append(then),
        )

    def peer(self, name: str, home: str = "") -> Any:
        peer = super().peer(name)
        if peer.data is None or home:
            peer.data = SimpleNamespace(
                address=(name, 1), home=(home or name, 1)
            )
        return peer

    def ask(self, link: Any, answered: Any, question: Any) -> None:
        assert isinstance(question, m.Become)
        name = question.spec.class_name
        self.constructors.setdefault(name, []).append(answered)
        link.post(question)

    def say(self, message: Any) -> str:
        if isinstance(message, m.Demand):
            what = f"worker {message.number}"
            if not message.workers:
                return f"no {what} any more"
            return f"a {what}" + (", here" if message.hops else "")
        if isinstance(message, m.ActorState):
            told = f"{message.id.decode()} is {message.state}"
            if message.worker:
                return f"{told} in {message.worker[0]}"
            if message.error is not None:
                cause = pickle.loads(message.error)
                return f"{told}: {type(cause).__name__}, {cause}"
            return f"{told}: {message.why}" if message.why else told
        if isinstance(message, m.PrepareActor):
            told = f"prepare {message.id.decode()}"
            if message.place is None:
                return told
            return f"{told}, {message.number} is not at {message.place[0]}"
        if isinstance(message, m.Granted):
            return f"you are lease {message.grant.lease}"
        if isinstance(message, m.Become):
            name = message.spec.class_name
            return f"become {name}, {message.restarts} restarts"
        assert isinstance(message, m.Release)
        told = f"lease {message.lease} is over"
        told += f": {message.why}" if message.why else ""
        return told + (", at once" if message.at_once else "")

    def reply(self, answer: Any) -> None:
        if answer is not None:
            refused = isinstance(answer, m.Refusal)
            self.follows(f"answer: {answer.why if refused else answer}")

    # ---- what happens ----

    def joins(self, node: str, cpus: str) -> None:
        amounts = {"CPU": float(cpus)}
        info = m.NodeInfo(node, (node, 1), amounts, dict(amounts), 1, True)
        self.nodes[node] = info
        self.actors.node_joined()

    def creates(self, owner: str, home: str, actor: str, more: str) -> None:
        options = dict.fromkeys(more.split(), "")
        options |= dict(word.split("=") for word in options if "=" in word)
        maker = self.peer(owner, home)
        strategy: Any = None
        if "spread" in options:
            strategy = ("SPREAD",)
        elif "group" in options:
            strategy = ("group", options["group"], int(options["bundle"]), 0)
        fields: dict[str, Any] = dict.fromkeys(m.ActorSpec._fields)
        fields |= {
            "id": actor.encode(),
            "class_name": actor,
            "deps": (),
            "place": m.Shape(CPU, strategy, ()),
            "hold": () if "light" in options else CPU,
            "name": options.get("name"),
            "namespace": "",
            "max_restarts": int(options.get("restarts", 0)),
            "job": SimpleNamespace(id="job", driver=None),
            "owner": None if "detached" in options else (owner, 1),
        }
        spec = m.ActorSpec(**fields)
        self.actors._on_create_actor(maker, m.CreateActor(spec), self.reply)

    def starts(self, owner: str, actor: str, large: str | None) -> None:
        deps = LARGE if large else ()
        start = m.StartActor(actor.encode(), deps)
        self.actors._on_start_actor(self.peer(owner), start)

    def leases(self, node: str, number: str, worker: str, lease: str) -> None:
        grant = m.Grant(int(lease), (worker, 1), (), False)
        leased = m.Leased(int(number), grant)
        self.actors._on_leased(self.peer(node), leased)

    def refuses(self, node: str, number: str, other: str | None) -> None:
        place: Address | None = (other, 1) if other else None
        why = "" if other else "no node has 9 CPU"
        refused = m.Refused(int(number), place, why)
        self.actors._on_refused(self.peer(node), refused)

    def began(self, first: str | None, actor: str, how: str) -> None:
        answers = {
            "has begun": None,
            "raises": m.ConstructorRaised(pickle.dumps(ValueError("no"))),
            "misses 0 at far": m.ArgumentLost(0, ("far", 1)),
            "is cut off": GONE,
        }
        self.constructors[actor][0 if first else -1](answers[how])

    def died(self, node: str, lease: str) -> None:
        died = m.Died(int(lease), "killed", 0)
        self.actors._on_died(self.peer(node), died)

    def node_dies(self, node: str) -> None:
        self.nodes[node] = self.nodes[node]._replace(alive=False)
        self.actors.node_died((node, 1), "its node has died")

    def leaves(self, process: str) -> None:
        self.peer(process).closed = True
        self.actors.left(self.peer(process), "it is gone")

    def ends(self, by: str, actor: str, may: str | None, how: str) -> None:
        end = m.EndActor(
            id=actor.encode(),
            no_restart=not may,
            why="ray.kill()",
            at_once=bool(how),
        )
        self.actors._on_end_actor(self.peer(by), end, self.reply)

    def follow(self, process: str, actor: str) -> None:
        follow = m.Follow(actor.encode())
        self.actors._on_follow(self.peer(process), follow)

    def finds(self, process: str, name: str) -> None:
        self.actors._on_find_actor(
            self.peer(process),
            m.FindActor(name, ""),
            lambda spec: self.reply(spec.class_name if spec else "nobody"),
        )

    def group_is(self, state: str) -> None:
        waiting, self.groups = self.groups, []
        for created, removed in waiting:
            if state == "there, on head and far":
                created([("head", 1), ("far", 1)])
            else:
                removed("the group is removed")

    def others_die(self, count: str) -> None:
        self.follows("")
        self._followed.clear()
        for number in range(int(count)):
            self.creates("other", "head", f"other{number}", "light")
            self.ends("other", f"other{number}", None, "")
        self._followed.clear()

    def rows(self) -> None:
        for row in self.actors.rows():
            self.follows(
                f"{row['class_name']}: {row['state']}"
                + (f" on {row['node_id']}" if row["node_id"] else "")
                + f", {row['num_restarts']} restarts"
            )

    commands = {  # noqa: RUF012
        r"(\w+) joins with (\d+) CPU": joins,
        r"(\w+) on (\w+) creates (\w+)(.*)": creates,
        r"(\w+) starts (\w+)(, which is large)?": starts,
        r"(\w+) leases (\d+): (\w+) as lease (\d+)": leases,
        r"(\w+) refuses (\d+)(?:, ask (\w+))?": refuses,
        r"(the first )?(\w+) (has begun|raises|misses 0 at far|is cut off)": (
            began
        ),
        r"(\w+) says that lease (\d+) has died": died,
        r"node (\w+) dies": node_dies,
        r"(\w+) leaves": leaves,
        r"(\w+) kills (\w+)(, which may restart)?(, at once|)": ends,
        r"(\w+) follows (\w+)": follow,
        r"(\w+) looks for (\w+)": finds,
        r"the group is (there, on head and far|removed)": group_is,
        r"(\d+) other actors live and die": others_die,
        r"which actors are there\?": rows,
        r"([\d.]+) s pass": World.pass_time,
    }


@pytest.mark.parametrize("scenario", scenarios("node/scenarios/actors.txt"))
def test_actors(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay(scenario, Head(monkeypatch)) == scenario
