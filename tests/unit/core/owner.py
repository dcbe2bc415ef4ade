"""An owner without a process and a socket: its parts, from functions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from minimr.core import messages as m
from minimr.core.process.actor_calls import Actors
from minimr.core.process.cancels import Cancels
from minimr.core.process.leases import Leases
from minimr.core.process.ownership import Objects
from minimr.core.process.records import References, Task
from minimr.core.process.tasks import Tasks
from minimr.core.process.unhandled_errors import Unhandled

HERE, HEAD = ("127.0.0.1", 0), ("head", 0)
NODE, FAR = ("node", 1), ("far", 2)
JOB = m.Job("job", (), "", "", ())


class Peer:
    """The other end of a link: keeps what it is sent."""

    closed = False
    handshake: object = None  # it is done

    def __init__(self, address: Any, log: list[Any]) -> None:
        self.log = log  # of all peers
        self.name = "{}:{}".format(*address)
        process = self.name.encode()
        self.data = SimpleNamespace(
            address=address, home=address, process=process, pid=1
        )
        self.sent: list[Any] = []

    def post(self, message: Any) -> None:
        self.sent.append(message)
        self.log.append((self.data.address, message))

    def posted(self) -> int:
        return 0

    def got(self, kind: type) -> list[Any]:
        """Return what it was sent of one type."""
        return [each for each in self.sent if type(each) is kind]


class Net:
    """The functions that an endpoint has, and what was done with them."""

    def __init__(self) -> None:
        self.links: Any = {}
        self.log: list[Any] = []  # who was sent what
        self.asked: list[tuple[Any, Any, Callable[[Any], None]]] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.now = 0.0
        self.said: list[str] = []
        self.hurries = 0

    def link(self, address: Any) -> Any:
        return self.links.get(address) or self.links.setdefault(
            address, Peer(address, self.log)
        )

    def ask(self, peer: Any, callback: Any, question: Any) -> None:
        self.asked.append((peer.data.address, question, callback))
        self.log.append((peer.data.address, question))

    def answer(self, kind: type, answer: Any) -> None:
        """Answer the first question of a type."""
        for each in self.asked:
            if type(each[1]) is kind:
                self.asked.remove(each)
                each[2](answer)
                return
        raise AssertionError(f"nobody has asked {kind.__name__}")

    def wait(self, seconds: float) -> None:
        """Let time pass, and call what is due."""
        self.now += seconds
        due = [call for at, call in self.timers if at <= self.now]
        self.timers = [each for each in self.timers if each[0] > self.now]
        for call in due:
            call()

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        self.timers.append((self.now + seconds, function))

    def in_turn(self, *calls: Callable[[], None]) -> None:
        for call in calls:
            call()

    def hurry(self) -> None:
        self.hurries += 1

    def head(self) -> Any:
        return self.link(HEAD)

    def objects(
        self,
        resubmit: Callable[[Task], None] = lambda task: None,
        unneeded: Callable[[Task], None] = lambda task: None,
    ) -> Objects:
        """Build the table of objects alone."""
        return Objects(
            References(HERE),
            Unhandled(self.said.append),
            links=self.links,
            link=self.link,
            ask=self.ask,
            in_turn=self.in_turn,
            resubmit=resubmit,
            unneeded=unneeded,
        )


class Owner(Net):
    """All parts of an owner of tasks, wired as `Runtime` does."""

    def __init__(self) -> None:
        super().__init__()
        self.table = self.objects(
            lambda task: self.tasks.submit(task), self._unneeded
        )
        self.tasks = Tasks(
            self.table,
            links=self.links,
            say=self.said.append,
        )
        self.leases = Leases(
            self.tasks,
            link=self.link,
            ask=self.ask,
            later=self.later,
            head=self.head,
            home=lambda: NODE,
            job=lambda: JOB,
            hurry=self.hurry,
        )
        self.actors = Actors(
            self.tasks,
            self.leases,
            link=self.link,
            ask=self.ask,
            later=self.later,
            head=self.head,
            hurry=self.hurry,
            say=self.said.append,
        )
        self.cancels = Cancels(
            self.tasks, self.leases, link=self.link, later=self.later
        )
        self.node = self.link(NODE)

    def _unneeded(self, task: Task) -> None:
        self.actors.unneeded(task)
        self.leases.tell_taken(task)
