"""What nodes of Ray use, as their agents tell it; here, agents of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lecture.from_ray import USED, WAITS, absent
from lecture.ray_usage import Usage, used_of

TOLD = """# TYPE ray_component_cpu_percentage gauge
ray_component_cpu_percentage{Component="raylet",pid="7"} 0.5
ray_component_cpu_percentage{Component="ray::f} 9",pid=""} 149.5
ray_component_rss_bytes{Component="raylet",pid="7"} 1.5e+06
ray_component_rss_bytes{Component="ray::f",pid=""} 500000.0
ray_component_rss_mb{Component="raylet",pid="7"} 1.5
ray_node_cpu_utilization{IsHeadNode="true"} 99.9
"""


class Agent(BaseHTTPRequestHandler):
    """Tells what its node uses."""

    text = TOLD

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *told: Any) -> None:
        """Print nothing."""


class Api:
    """A cluster whose nodes are at these ports."""

    def __init__(self, **ports: int) -> None:
        self.ports, self.dead = ports, set[str]()

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "NodeID": name,
                "Alive": name not in self.dead,
                "NodeManagerAddress": "127.0.0.1",
                "MetricsExportPort": port,
            }
            for name, port in self.ports.items()
        ]


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_processes_of_a_node_are_added_up() -> None:
    assert used_of(TOLD) == (1.5, 2_000_000)
    assert used_of("") is None
    assert used_of("ray_node_mem_used 5\n") is None


def test_what_was_told_is_kept_also_of_a_node_that_has_died(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lecture.ray_usage.ASK_S", 0.0)
    usage, api = Usage(), Api(a=port, b=port)
    assert len(usage.look(api)) == 2
    api.dead.add("b")
    told = usage.look(api)
    assert sorted(line["node"] for line in told) == ["a", "a", "b"]
    assert all((t["cpu"], t["memory"]) == (1.5, 2_000_000) for t in told)
    del api.ports["b"]  # and of another cluster nothing
    assert {line["node"] for line in usage.look(api)} == {"a"}


def test_nodes_are_not_asked_again_at_once(port: int) -> None:
    usage, api = Usage(), Api(a=port)
    assert usage.look(api) == usage.look(api)


def test_a_node_without_an_agent_tells_nothing_and_this_is_said() -> None:
    assert Usage().look(Api(a=0)) == []
    assert USED in absent([])
    assert USED not in absent([{"kind": "usage"}])


def test_waits_are_not_told_unless_ray_was_started_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_PROFILING", raising=False)
    assert WAITS in absent([])
    assert WAITS not in absent([{"kind": "wait"}])
    monkeypatch.setenv("RAY_PROFILING", "1")  # and nobody has waited
    assert WAITS not in absent([])


def test_an_agent_that_tells_nonsense_tells_nothing(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'ray_component_rss_bytes{pid="1"} x\n'
    monkeypatch.setattr(Agent, "text", text)
    assert Usage().look(Api(a=port)) == []
