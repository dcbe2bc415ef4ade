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
FOR_LOOP = "minimr/serial"  # on request, the third beside them
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


def steps(text: str) -> list[str]:
    """Give the numbered steps, in the order in which they first come.

    One may come twice: in the driver, and in a worker.
    """
    return list(dict.fromkeys(name for _, name in step_lines(text)))


def step_lines(text: str) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [
        (t.start[0], re.match(r"# (\[\d+\] \w+)", t.string))
        for t in tokens
        if t.type == tokenize.COMMENT
    ]
    return [(line, match[1]) for line, match in found if match]


def steps_without_code(text: str) -> list[str]:
    """List the steps that no statement of the same function follows."""
    tree = ast.parse(text)
    marks = step_lines(text)
    bare = []
    for line, name in marks:
        inside = [
            node
            for node in ast.walk(tree)
            if isinstance(node, FUNCTION)
            and node.lineno < line <= (node.end_lineno or 0)
        ]
        later = [other for other, _ in marks if other > line]
        ends = [*later, *(node.end_lineno or 0 for node in inside)]
        end = min(ends, default=line)
        code = [
            node
            for function in inside
            for node in ast.walk(function)
            if isinstance(node, ast.stmt)
            and not isinstance(node, (ast.Pass, *FUNCTION))
            and line < node.lineno <= end
        ]
        if not code:
            bare.append(f"line {line}: {name}")
    return bare


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


@pytest.mark.parametrize("package", [FROM_SCRATCH, ON_RAY, FOR_LOOP])
def test_each_step_is_code_and_not_only_a_comment(
    pair: str, package: str
) -> None:
    text = source(package, pair)
    assert steps_without_code(text) == []
    assert steps(text) != []


def test_the_for_loop_has_the_same_steps_as_far_as_it_needs_them(
    pair: str,
) -> None:
    wanted = steps(source(FROM_SCRATCH, pair))
    found = steps(source(FOR_LOOP, pair))
    assert found == [step for step in wanted if step in found]
    assert found == (PAIRS[pair] or found)


def test_each_file_of_a_pair_names_the_other(pair: str) -> None:
    assert mirror(source(FROM_SCRATCH, pair)) == f"{ON_RAY}/{pair}"
    assert mirror(source(ON_RAY, pair)) == f"{FROM_SCRATCH}/{pair}"


def test_each_file_of_a_pair_says_what_the_other_does_instead(
    pair: str,
) -> None:
    assert "# vs Ray:" in source(FROM_SCRATCH, pair)
    assert "# vs sockets:" in source(ON_RAY, pair)


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


@pytest.mark.parametrize(
    ("body", "bare"),
    [
        ("# [1] map\n    a = 1\n    # [2] shuffle\n    b = 2", []),
        ("# [1] map\n    # [2] shuffle\n    b = 2", ["line 2: [1] map"]),
        ("a = 1\n    # [1] map\n\n\nc = 3", ["line 3: [1] map"]),
        ("# [1] map\n    pass", ["line 2: [1] map"]),
        ("if a:\n        # [1] map\n        b = 2\n    return b", []),
    ],
)
def test_a_step_that_is_only_a_comment_is_noticed(
    body: str, bare: list[str]
) -> None:
    assert steps_without_code(f"def run():\n    {body}\n") == bare


def test_a_step_outside_of_any_function_has_no_code() -> None:
    assert steps_without_code("# [1] map\na = 1\n") == ["line 1: [1] map"]
