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
PACKAGES = (
    "minimr",
    "ray_impl",
    "dqn",
    "benchmarks",
    "examples",
    "lecture",
)
MODULES = sorted(
    str(path.relative_to(ROOT))
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
)
MAX_COLUMNS = 79

# Who may know whom, besides itself: the longest prefix that fits counts. A
# prefix stands for the module or package and all below it.
THINGS = ("minimr.interface", "minimr.shared", "minimr.system")
BELOW = (*THINGS, "minimr.net", "minimr.exceptions")
MESSAGES = ("minimr.core.messages", "minimr.core.serialization")
SCHEDULER = "minimr.core.scheduler"
MACHINE, RUNGS = ("minimr.simulation",), ("minimr.sockets", "minimr.core")
LOOKS_AT_RUNGS = tuple(
    f"minimr.simulation.{name}"
    for name in (
        *("core_invariants", "exhaust", "held", "invariants", "programs"),
        "tables",
    )
)
RUNS_PROGRAMS = tuple(
    f"minimr.simulation.{name}"
    for name in ("cluster", "core_programs", "placed_actors", "script")
)  # which import minimr as users do
KNOWS = {
    "minimr": (),
    "minimr.interface": (),
    "minimr.system": (),
    "minimr.shared": ("minimr.interface", "minimr.system"),
    "minimr.net": ("minimr.system",),
    "minimr.serial": THINGS,
    "minimr.sockets": (*THINGS, "minimr.net"),
    "minimr.core": BELOW,
    "minimr.core.process": (*BELOW, *MESSAGES, "minimr.core.prints"),
    "minimr.core.node": (*BELOW, *MESSAGES, SCHEDULER, "minimr.core.prints"),
    "minimr.core.control": (*BELOW, *MESSAGES, SCHEDULER),
    "minimr.core.node.main": (*BELOW, "minimr.core"),  # forks the workers
    "minimr.core.api": (*BELOW, "minimr.core"),
    # Ray's own addresses
    "minimr.actor": ("minimr.core",),
    "minimr.cluster_utils": ("minimr.core", "minimr.net"),
    "minimr.runtime_context": ("minimr.core",),
    "minimr.util": ("minimr.core", "minimr.exceptions", "minimr.system"),
    "minimr.ladder": ("minimr.interface", "minimr.net"),
    "minimr.datasets": ("minimr.interface", "minimr.system"),
    "minimr.training": (*THINGS, "minimr.datasets", "minimr.ladder"),
    "minimr.simulation": ("minimr.system", "minimr.net"),  # the machine
    **dict.fromkeys(LOOKS_AT_RUNGS, (*MACHINE, *BELOW, *RUNGS)),
    **dict.fromkeys(RUNS_PROGRAMS, ("minimr",)),
    "minimr.testing": ("minimr",),
    "minimr.cli": ("minimr", "lecture"),
    "minimr.__main__": ("minimr.cli", "minimr.system"),
    "ray_impl": (*THINGS, "ray"),
    "dqn": (*THINGS, "minimr.ladder"),
    "dqn.cli": ("dqn", "minimr.cli", *THINGS),
    "benchmarks": ("minimr", "ray_impl", "dqn", "ray"),
    "benchmarks.lab.show": ("benchmarks", "minimr", "lecture"),
    "examples": (),  # they are handed the engine
    "examples.command": ("examples", "minimr", "ray_impl"),
    "examples.__main__": ("examples", "minimr.system"),
    "lecture": (*THINGS, "dqn"),
    "lecture.command": ("lecture", "minimr"),
    "lecture.__main__": ("lecture", "minimr.system"),
    "lecture.check": ("minimr.system",),
    "lecture.check.cli": ("lecture.check", "minimr.cli", "minimr.system"),
}
OURS = (*PACKAGES, "tests", "ray")

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
WITH_NUMPY = (
    "minimr.core", "minimr.sockets.servers", "minimr.sockets.parameter_server",
    "minimr.shared.parameter_server", "minimr.serial.parameter_server",
    "minimr.datasets.digits", "minimr.training", "minimr.cli.parameter_server",
    "minimr.actor", "minimr.runtime_context", "minimr.cluster_utils",
    "minimr.util", "minimr.simulation", "minimr.testing",
)  # fmt: skip
HEAVY = ("ray", "torch", "numpy", "matplotlib", "rich", "click", "gymnasium")


def text(module: str) -> str:
    return (ROOT / module).read_text("utf-8")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(text(module))


def dotted(module: str) -> str:
    name = module.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def below(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(p + ".") for p in prefixes)


def imported(module: str) -> Iterator[tuple[str, int]]:
    """Yield each imported name in full, as module and as its member."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def rule_for(name: str) -> str:
    fitting = [prefix for prefix in KNOWS if below(name, (prefix,))]
    return max(fitting, key=len)


def strangers(module: str) -> list[str]:
    """List the imports of a module that its rule does not allow."""
    name = dotted(module)
    rule = rule_for(name)
    known = (rule, *KNOWS[rule])
    return [
        f"{module}:{line}: {name} may not know {other}"
        for other, line in imported(module)
        if below(other, OURS)
        and not below(other, known)
        and other != "minimr.__version__"
    ]


def test_nobody_knows_whom_it_should_not() -> None:
    assert [line for module in MODULES for line in strangers(module)] == []


@pytest.mark.parametrize(
    ("module", "line", "allowed"),
    [
        ("minimr/interface/mapreduce.py", "import minimr.shared", False),
        ("minimr/net/hub.py", "from minimr.interface import x", False),
        ("minimr/net/hub.py", "from minimr.net.codec import encode", True),
        ("minimr/sockets/cluster/worker.py", "import minimr.core", False),
        ("minimr/sockets/mapreduce.py", "from minimr import core", False),
        ("minimr/sockets/mapreduce.py", "from minimr.net import hub", True),
        ("minimr/core/node/node.py", "import minimr.sockets", False),
        ("minimr/core/node/node.py", "import minimr.net.hub", True),
        ("minimr/core/node/node.py", "import minimr.core.node.x", True),
        ("minimr/core/node/node.py", "import minimr.core.messages", True),
        ("minimr/core/node/node.py", "import minimr.core.process", False),
        ("minimr/core/node/main.py", "import minimr.core.process", True),
        ("minimr/core/process/tasks.py", "import minimr.core.node", False),
        ("minimr/core/process/tasks.py", "import minimr.core.api", False),
        ("minimr/core/api/verbs.py", "import minimr.core.process", True),
        ("minimr/cli/worker.py", "import benchmarks.cli", False),
        ("minimr/cli/worker.py", "import ray_impl.mapreduce", False),
        ("ray_impl/mapreduce.py", "from minimr.net.hub import Hub", False),
        ("ray_impl/mapreduce.py", "import minimr.sockets", False),
        ("ray_impl/mapreduce.py", "import minimr.shared.mapreduce", True),
        ("ray_impl/mapreduce.py", "import numpy", True),
        ("dqn/distributed/agent.py", "import ray", False),
        ("dqn/distributed/agent.py", "def f():\n import ray_impl.x", False),
        ("dqn/distributed/agent.py", "import minimr.cli", False),
        ("examples/actors/counter.py", "import minimr", False),
        ("examples/actors/counter.py", "import ray", False),
    ],
)
def test_the_rule_of_who_knows_whom_can_be_broken(
    module: str, line: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "tree", lambda _: ast.parse(line))
    assert (strangers(module) == []) is allowed


# What `minimr/system/machine.py` is there for: {module: names of it}.
OF_THE_MACHINE = {
    "time": "monotonic perf_counter time sleep monotonic_ns time_ns",
    "os": "urandom getpid getppid fork kill killpg waitpid waitid _exit "
    "pidfd_open memfd_create",
    "secrets": "token_bytes token_hex choice",
    "random": "random choice randrange shuffle uniform",
    "uuid": "uuid1 uuid4",
    "mmap": "mmap",
    "select": "select poll epoll",
    "selectors": "DefaultSelector",
    "signal": "signal setitimer alarm",
    "socket": "socket socketpair create_connection create_server",
    "subprocess": "Popen run call check_call check_output",
    "queue": "Queue SimpleQueue",
    "threading": "Thread Timer Lock RLock Condition Event Semaphore Barrier "
    "get_ident",
}
ASK = (
    *("minimr/net", "minimr/sockets", "minimr/core", "minimr/shared"),
    "minimr/util",
)


def asks_the_system(module: str) -> list[str]:
    """List where a module goes past `minimr.system.machine`."""
    found = []
    types = {
        id(part)
        for node in ast.walk(tree(module))
        for field in ("annotation", "returns")
        if (annotation := getattr(node, field, None)) is not None
        for part in ast.walk(annotation)
    }
    for node in ast.walk(tree(module)):
        if id(node) in types:  # a type asks for nothing
            continue
        if isinstance(node, ast.Attribute) and isinstance(
            node.value, ast.Name
        ):
            names = [(node.value.id, node.attr)]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "", alias.name) for alias in node.names]
            if node.module == "minimr.system.machine":
                found.append(f"{module}:{node.lineno}: a name taken out of it")
        else:
            continue
        found += [
            f"{module}:{node.lineno}: {package}.{name}"
            for package, name in names
            if name in OF_THE_MACHINE.get(package, "").split()
        ]
    return found


def test_the_machine_is_asked_in_one_place() -> None:
    asking = [module for module in MODULES if module.startswith(ASK)]
    found = [line for module in asking for line in asks_the_system(module)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import time\ntime.monotonic()",
        "from os import urandom",
        "field(default_factory=time.time)",
        "from minimr.system.machine import sleep",
    ],
)
def test_who_asks_the_system_is_found(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "tree", lambda _: ast.parse(line))
    assert asks_the_system("minimr/net/hub.py")


def hears_ctrl_c(module: str) -> list[str]:
    """List where a module starts what a terminal would send Ctrl-C to.

    A fork of the command's own is none: in it, too,
    `minimr.system.leaving` answers.
    """
    programs = OF_THE_MACHINE["subprocess"].split()
    calls = [n for n in ast.walk(tree(module)) if isinstance(n, ast.Call)]
    deaf = any(ast.unparse(call.func) == "deaf" for call in calls)
    return [
        f"{module}:{call.lineno}"
        for call in calls
        if (
            ast.unparse(call.func) in {f"subprocess.{n}" for n in programs}
            and "start_new_session" not in {k.arg for k in call.keywords}
        )
        or (ast.unparse(call.func).endswith("get_context") and not deaf)
    ]


def test_what_a_command_starts_does_not_hear_ctrl_c() -> None:
    """It would die with a traceback, before the command can end it."""
    assert [line for m in MODULES for line in hears_ctrl_c(m)] == []


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run(['ls'])",
        "a = multiprocessing.get_context('spawn')",
        "a = multiprocessing.get_context('fork').Pool(2)",
    ],
)
def test_who_hears_ctrl_c_is_found(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "tree", lambda _: ast.parse(line))
    assert hears_ctrl_c("minimr/cli/tour.py") == ["minimr/cli/tour.py:1"]


def known_to(module: str) -> set[str]:
    """List the modules of ours that a module imports, anywhere in it."""
    ours = {dotted(other) for other in MODULES}
    names = {name for name, _ in imported(module)}
    found = {n if n in ours else n.rpartition(".")[0] for n in names}
    return (found & ours) - {dotted(module)}


def in_circles(knows: dict[str, set[str]]) -> list[str]:
    """List who knows somebody that knows them in the end."""
    reached = {name: set(others) for name, others in knows.items()}
    for middle in knows:
        for others in reached.values():
            if middle in others:
                others |= reached[middle]
    return sorted(name for name, others in reached.items() if name in others)


def test_no_imports_go_in_a_circle() -> None:
    """Those in functions and for type checkers count."""
    knows = {dotted(module): known_to(module) for module in MODULES}
    assert in_circles(knows) == []


def test_a_circle_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "if TYPE_CHECKING:\n    from minimr.net.hub import Hub"
    monkeypatch.setitem(globals(), "tree", lambda _: ast.parse(line))
    assert known_to("minimr/net/peer.py") == {"minimr.net.hub"}
    knows = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set[str]()}
    assert in_circles(knows) == ["a", "b", "c"]


def test_modules_are_narrow() -> None:
    """Ruff counts characters; the wide ones of a terminal count twice."""
    wide = [
        f"{module}:{n}"
        for module in MODULES
        for n, line in enumerate(text(module).split("\n"), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert wide == []


def public(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the public classes, functions and methods of a body."""
    for node in body:
        if isinstance(node, (ast.ClassDef, *FUNCTION)):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def is_repeated(node: ast.stmt) -> bool:
    """Return whether it is an overload or a setter, documented elsewhere."""
    decorators = getattr(node, "decorator_list", [])
    words = {ast.unparse(decorator) for decorator in decorators}
    return bool(words & {"overload", "typing.overload"}) or any(
        word.endswith(".setter") for word in words
    )


def test_what_is_public_has_a_docstring() -> None:
    bare = [m for m in MODULES if not ast.get_docstring(tree(m))]
    bare += [
        f"{module}:{node.lineno}: {node.name}"
        for module in MODULES
        for node in public(tree(module).body)
        if not ast.get_docstring(node) and not is_repeated(node)
    ]
    assert bare == []


# Modules whose docstrings still open with other words than "Return".
def test_docstrings_say_return() -> None:
    """Not "Give" or "Tell", where a function returns something."""
    found = [
        f"{module}:{node.body[0].lineno}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, (ast.ClassDef, *FUNCTION))
        and (ast.get_docstring(node) or "").startswith(("Give ", "Tell "))
    ]
    assert found == []


def importing(names: list[str], heavy: tuple[str, ...]) -> str:
    """Import modules in a new process; return what goes wrong."""
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
    names = ["minimr.core.node.main", "minimr.core.api.verbs"]
    assert importing(names, ("asyncio",)) == ""


def test_importing_does_nothing_heavy() -> None:
    """But what draws may load click or rich, and arrays need numpy."""
    names = [dotted(m) for m in MODULES if m.startswith("minimr/")]
    names = [name for name in names if not below(name, WITH_NUMPY)]
    assert "minimr.__main__" in names
    heavy = tuple(name for name in HEAVY if name not in ("click", "rich"))
    assert importing([*names, "ray_impl.mapreduce"], heavy) == ""


def test_a_command_starts_with_click_alone() -> None:
    heavy = tuple(name for name in HEAVY if name != "click")
    assert importing(["minimr.__main__"], heavy) == ""


def test_an_engine_loads_nothing_of_the_command_line() -> None:
    engines = [
        "minimr.sockets.mapreduce",
        "minimr.serial.mapreduce",
        "ray_impl.mapreduce",
    ]
    names = [
        *engines,
        "minimr.shared.mapreduce.wordcount",
        "minimr.sockets.cluster.worker",
    ]
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
