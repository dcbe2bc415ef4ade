"""The rules of the house that can be read off the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("minimr", "ray_impl", "dqn", "benchmarks", "demos")
MODULES = sorted(
    str(path.relative_to(ROOT))
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)
MAX_COLUMNS = 79

# Whom nobody of a package may import, by the longest prefix that fits. A
# prefix stands for the module or package and all below it.
OURS = (*PACKAGES, "tests")
ENGINES = ("minimr.serial", "minimr.mapreduce", "minimr.parameter_server")
RUNG_2 = ("minimr.core", "minimr.node")
PROCESS = (  # the core of a driver or a worker, which no node is
    "minimr.core.actors", "minimr.core.leases", "minimr.core.objects",
    "minimr.core.refs", "minimr.core.results", "minimr.core.runtime",
    "minimr.core.tasks", "minimr.core.values", "minimr.core.worker",
)  # fmt: skip
ABOVE_RUNG_2 = (
    *ENGINES, "minimr.api", "minimr.actor", "minimr.jobs", "ray_impl", "dqn",
    "demos",
)  # fmt: skip
FORBIDDEN = {
    "minimr": ("benchmarks", "tests"),
    "minimr.interface": OURS,
    "minimr.consistency": OURS,
    "minimr.shuffle": (*ENGINES, *RUNG_2, "minimr.net", "minimr.jobs"),
    "minimr.tasks": (*ENGINES, *RUNG_2, "minimr.net", "minimr.jobs"),
    "minimr.net": OURS,
    "minimr.jobs": (*ENGINES, *RUNG_2, "ray_impl", "dqn", "demos"),
    "minimr.serial": (*RUNG_2, "minimr.net", "ray_impl"),
    "minimr.serial_server": (*RUNG_2, "minimr.net", "ray_impl"),
    "minimr.ps": (*ENGINES, *RUNG_2, "minimr.jobs", "ray_impl", "dqn"),
    "minimr.rounds": (*ENGINES, *RUNG_2, "minimr.net", "minimr.ps"),
    "minimr.weights": (*ENGINES, *RUNG_2, "minimr.net", "minimr.ps"),
    "minimr.update": (*ENGINES, *RUNG_2, "minimr.net", "minimr.ps"),
    "minimr.mapreduce": (*RUNG_2, "ray_impl", "dqn", "demos"),
    "minimr.parameter_server": (*RUNG_2, "ray_impl", "dqn", "demos"),
    "minimr.core": (*ABOVE_RUNG_2, "minimr.node"),
    "minimr.node": (*ABOVE_RUNG_2, *PROCESS),
    "minimr.node.main": ABOVE_RUNG_2,  # forks the workers
    "minimr.api": (*ENGINES, "minimr.jobs", "ray_impl", "dqn", "demos"),
    "ray_impl": (
        *ENGINES, *RUNG_2, "minimr.net", "minimr.jobs", "dqn", "demos",
        "benchmarks", "tests",
    ),
    "dqn": (
        *ENGINES, *RUNG_2, "minimr.net", "minimr.jobs", "ray_impl", "ray",
        "benchmarks", "demos", "tests",
    ),
    "demos": ("benchmarks", "tests"),
    "benchmarks": ("tests",),
}  # fmt: skip
# What a package may import in spite of that: itself.
OWN = (
    "minimr.net", "minimr.core", "minimr.node", "minimr.jobs", "minimr.ps",
    "ray_impl", "dqn",
)  # fmt: skip

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
WITH_NUMPY = (
    "minimr.core", "minimr.node", "minimr.api", "minimr.ps", "minimr.rounds",
    "minimr.update",
    "minimr.weights", "minimr.serial_server", "minimr.parameter_server",
    "minimr.checkpoint", "minimr.snapshot", "minimr.digits", "minimr.training",
    "minimr.training_picture", "minimr.cli_parameter_server",
)  # fmt: skip
HEAVY = ("ray", "torch", "numpy", "matplotlib", "rich", "click", "gymnasium")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text("utf-8"))


def dotted(module: str) -> str:
    name = module.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def below(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(p + ".") for p in prefixes)


def imported(module: str) -> Iterator[tuple[str, int]]:
    """Give each imported name in full, as module and as its member."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def rule_for(name: str) -> str:
    fitting = [prefix for prefix in FORBIDDEN if below(name, (prefix,))]
    return max(fitting, key=len)


def strangers(module: str) -> list[str]:
    name = dotted(module)
    forbidden = FORBIDDEN[rule_for(name)]
    own = tuple(package for package in OWN if below(name, (package,)))
    return [
        f"{module}:{line}: {name} may not know {other}"
        for other, line in imported(module)
        if below(other, forbidden) and not below(other, own)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_nobody_knows_whom_it_should_not(module: str) -> None:
    assert strangers(module) == []


@pytest.mark.parametrize(
    ("module", "line", "allowed"),
    [
        ("minimr/interface.py", "import minimr.shuffle", False),
        ("minimr/interface.py", "from minimr import tasks", False),
        ("minimr/net/hub.py", "from minimr.interface import Job", False),
        ("minimr/net/hub.py", "from minimr.net.codec import encode", True),
        ("minimr/jobs/worker.py", "import minimr.node.node", False),
        ("minimr/mapreduce.py", "from minimr import core", False),
        ("minimr/mapreduce.py", "from minimr.net import hub", True),
        ("minimr/node/node.py", "import minimr.mapreduce", False),
        ("minimr/node/node.py", "import minimr.net.hub", True),
        ("minimr/node/node.py", "import minimr.node.store", True),
        ("minimr/node/node.py", "import minimr.core.messages", True),
        ("minimr/node/node.py", "import minimr.core.runtime", False),
        ("minimr/node/main.py", "import minimr.core.runtime", True),
        ("minimr/core/worker.py", "import minimr.node.pool", False),
        ("minimr/core/worker.py", "import minimr.api.verbs", False),
        ("minimr/api/verbs.py", "import minimr.core.runtime", True),
        ("minimr/cli.py", "import benchmarks.wordcount", False),
        ("minimr/cli.py", "import ray_impl.mapreduce", True),
        ("ray_impl/mapreduce.py", "from minimr.net.hub import Hub", False),
        ("ray_impl/mapreduce.py", "import minimr.mapreduce", False),
        ("ray_impl/mapreduce.py", "from minimr.jobs import store", False),
        ("ray_impl/mapreduce.py", "from minimr.tasks import a", True),
        ("ray_impl/mapreduce.py", "import ray", True),
        ("dqn/agent.py", "import ray", False),
        ("dqn/agent.py", "def f():\n import ray_impl.x", False),
    ],
)
def test_the_rule_of_who_knows_whom_can_be_broken(
    module: str, line: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "tree", lambda _: ast.parse(line))
    assert (strangers(module) == []) is allowed


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_narrow(module: str) -> None:
    lines = (ROOT / module).read_text("utf-8").splitlines()
    wide = [n for n, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS]
    assert wide == []


def public(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the public classes, functions and methods of a body."""
    for node in body:
        if isinstance(node, (ast.ClassDef, *FUNCTION)):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def is_repeated(node: ast.stmt) -> bool:
    """Tell an overload or a setter: its documentation is elsewhere."""
    decorators = getattr(node, "decorator_list", [])
    words = {ast.unparse(decorator) for decorator in decorators}
    return bool(words & {"overload", "typing.overload"}) or any(
        word.endswith(".setter") for word in words
    )


@pytest.mark.parametrize("module", MODULES)
def test_what_is_public_has_a_docstring(module: str) -> None:
    assert ast.get_docstring(tree(module)), f"{module} has none"
    bare = [
        f"{module}:{node.lineno}: {node.name}"
        for node in public(tree(module).body)
        if not ast.get_docstring(node) and not is_repeated(node)
    ]
    assert bare == []


def importing(names: list[str], heavy: tuple[str, ...]) -> str:
    """Import modules in a new process; give what goes wrong."""
    program = (
        "import importlib, sys, threading\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"    found = set({heavy!r}) & set(sys.modules)\n"
        "    assert not found, f'{name} imports {found}'\n"
        "assert threading.active_count() == 1"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stderr if done.returncode else ""


def test_a_node_and_a_driver_start_without_asyncio() -> None:
    """It takes 15 ms in each, before the first result."""
    names = ["minimr.node.main", "minimr.api.verbs"]
    assert importing(names, ("asyncio",)) == ""


def test_importing_does_nothing_heavy() -> None:
    """But what draws may load click or rich, and arrays need numpy."""
    names = [dotted(m) for m in MODULES if m.startswith("minimr/")]
    names = [name for name in names if not below(name, WITH_NUMPY)]
    assert "minimr.cli" in names
    heavy = tuple(name for name in HEAVY if name not in ("click", "rich"))
    assert importing([*names, "ray_impl.mapreduce"], heavy) == ""


def test_a_command_starts_with_click_alone() -> None:
    heavy = tuple(name for name in HEAVY if name != "click")
    assert importing(["minimr.cli"], heavy) == ""


def test_an_engine_loads_nothing_of_the_command_line() -> None:
    engines = ["minimr.mapreduce", "minimr.serial", "ray_impl.mapreduce"]
    names = [*engines, "minimr.wordcount", "minimr.jobs.worker"]
    assert importing(names, HEAVY) == ""


def test_a_heavy_import_is_noticed() -> None:
    assert "click imports {'click'}" in importing(["click"], HEAVY)


# Written in pieces, so that this file does not hold what it looks for.
OUTSIDE = re.compile("/wor" + r"k/|\biss" + r"ues?[ #]+\d", re.IGNORECASE)


def files() -> list[Path]:
    """List the files of the project: those that git has, or would take."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=30
        )
    except OSError:
        pytest.skip("needs git to tell the project's files")
    if done.returncode != 0:
        pytest.skip("needs a git checkout to tell the project's files")
    return [ROOT / name for name in done.stdout.splitlines()]


def test_the_project_speaks_of_itself_alone() -> None:
    found = []
    for path in files():
        if not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if OUTSIDE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line}")
    assert found == []


@pytest.mark.parametrize(
    "line", ["see /wor" + "k/main", "as iss" + "ue 2 says", "Iss" + "ue #17"]
)
def test_what_points_elsewhere_is_noticed(line: str) -> None:
    assert OUTSIDE.search(line)
    assert not OUTSIDE.search("the issue of networks; a worker/2 at work")
