"""Two files that stand side by side: what must be the same in both.

Nothing is imported, so that this runs without Ray.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAIRS = {  # {file name: the numbered steps that both have}
    "mapreduce.py": ["[1] map", "[2] shuffle", "[3] reduce"],
    "parameter_server.py": None,  # whatever they are, the same
}
FROM_SCRATCH, ON_RAY = "minimr/sockets", "ray_impl"
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def source(package: str, name: str) -> str:
    return (ROOT / package / name).read_text("utf-8")


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> str:
    """Give the name of a file that both packages have."""
    name: str = request.param
    missing = [
        package
        for package in (FROM_SCRATCH, ON_RAY)
        if not (ROOT / package / name).exists()
    ]
    if missing:
        pytest.skip(f"there is no {name} yet in {' and '.join(missing)}")
    return name


def definitions(text: str) -> dict[str, Definition]:
    """Give the public classes and functions of a module, in order."""
    return {
        node.name: node
        for node in ast.parse(text).body
        if isinstance(node, (ast.ClassDef, *FUNCTION))
        and not node.name.startswith("_")
    }


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returns = ast.unparse(function.returns) if function.returns else ""
    return f"({ast.unparse(function.args)}) -> {returns}"


def methods(definition: ast.ClassDef, shared: set[str]) -> list[str]:
    """Give the shared methods of a class with their parameters."""
    return [
        f"{node.name}{parameters(node)}"
        for node in definition.body
        if isinstance(node, FUNCTION) and node.name in shared
    ]


def interface() -> dict[str, set[str]]:
    """Give the names of the methods that each interface has."""
    texts = [source("minimr/interface", name) for name in PAIRS]
    return {
        name: {
            node.name
            for node in definition.body
            if isinstance(node, FUNCTION) and not node.name.startswith("_")
        }
        for text in texts
        for name, definition in definitions(text).items()
        if isinstance(definition, ast.ClassDef)
    }


def outline(text: str) -> list[object]:
    """Give what a file shares with its mirror, in order."""
    found: list[object] = []
    for name, definition in definitions(text).items():
        if isinstance(definition, ast.ClassDef):
            shared = interface().get(name, set())
            found.append((name, methods(definition, shared)))
        else:
            found.append(name + parameters(definition))
    return found


def comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [t.string for t in tokens if t.type == tokenize.COMMENT]


def steps(text: str) -> list[str]:
    found = [re.match(r"# (\[\d+\] \w+)", line) for line in comments(text)]
    return [match[1] for match in found if match]


def mirror(text: str) -> str | None:
    """Tell which file a module's docstring names as its mirror."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    match = re.search(r"Mirror:\s+`?([\w/]+\.py)", docstring)
    return match[1] if match else None


def test_a_pair_has_the_same_definitions_in_the_same_order(pair: str) -> None:
    scratch, ray = source(FROM_SCRATCH, pair), source(ON_RAY, pair)
    assert outline(scratch) == outline(ray)
    assert outline(scratch) != []


def test_a_pair_implements_the_interface(pair: str) -> None:
    shared = interface()
    for package in (FROM_SCRATCH, ON_RAY):
        found = definitions(source(package, pair))
        implemented = set(found) & set(shared)
        assert implemented, f"{package}/{pair} implements no interface"
        for name in implemented:
            assert methods(found[name], shared[name])


def test_a_pair_has_the_same_steps_in_the_same_order(pair: str) -> None:
    scratch = steps(source(FROM_SCRATCH, pair))
    assert scratch == steps(source(ON_RAY, pair))
    assert scratch == (PAIRS[pair] or scratch)
    numbers = [int(step[1 : step.index("]")]) for step in scratch]
    assert numbers == list(range(1, len(scratch) + 1))
    assert numbers


def test_each_file_of_a_pair_names_the_other(pair: str) -> None:
    assert mirror(source(FROM_SCRATCH, pair)) == f"{ON_RAY}/{pair}"
    assert mirror(source(ON_RAY, pair)) == f"{FROM_SCRATCH}/{pair}"


def test_the_file_from_scratch_says_what_ray_does_instead(pair: str) -> None:
    assert "vs Ray:" in source(FROM_SCRATCH, pair)


# ---- that the checks above can fail


SAMPLE = '''"""A rung. Mirror: `ray_impl/sample.py`."""

class MapReduce:
    """An engine."""

    def __init__(self, num_workers: int) -> None: ...
    def run(self, job: Job, splits: Sequence[Any]) -> Result:
        # [1] map: first
        # [2] shuffle: then
        text = "# [3] reduce"
    def close(self) -> None: ...
    def extra(self) -> None: ...

class Result:
    def apply(self, function: Callable) -> list: ...

def helper(a: int) -> str: ...
def _private() -> None: ...
'''


def test_the_outline_leaves_out_what_may_differ() -> None:
    same = SAMPLE.replace("num_workers: int", "api: Any = None")
    same = same.replace("extra(self)", "other(self, x)")
    same = same.replace("_private()", "_hidden(x)")
    assert outline(same) == outline(SAMPLE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("splits: Sequence[Any]", "splits: list[Any]"),
        ("job: Job, ", ""),
        ("def close(", "def shutdown("),
        ("class Result:", "class Output:"),
        ("def helper(a: int)", "def helper(b: int)"),
        ("def helper", "def _helper"),
        ("-> list", "-> tuple"),
    ],
)
def test_the_outline_sees_what_must_not_differ(old: str, new: str) -> None:
    assert outline(SAMPLE.replace(old, new)) != outline(SAMPLE)


def test_steps_are_comments_in_order() -> None:
    assert steps(SAMPLE) == ["[1] map", "[2] shuffle"]
    assert mirror(SAMPLE) == "ray_impl/sample.py"
    assert mirror(SAMPLE.replace("Mirror:", "See")) is None
