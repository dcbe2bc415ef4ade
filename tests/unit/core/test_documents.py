"""The pages about the core name functions and tests that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SEMANTICS = (ROOT / "docs" / "semantics.md").read_text("utf-8")
NAMED = re.findall(
    r"`(?:([a-z_]+)\.)?([a-z_]+)\.([A-Za-z_]+)(?:\.([a-z_]+))?`", ARCHITECTURE
)


def exists(folder: str, module: str, name: str, attribute: str) -> bool:
    paths = [
        path
        for package in ("core", "sockets")
        for path in (ROOT / "minimr" / package).rglob(f"{module}.py")
        if folder in ("", path.parent.name)
    ]
    if name == "py" or len(paths) != 1:
        return name == "py"
    dotted = ".".join(paths[0].relative_to(ROOT).with_suffix("").parts)
    named = getattr(importlib.import_module(dotted), name, None)
    return named is not None and hasattr(named, attribute or "__doc__")


def test_the_architecture_names_what_exists() -> None:
    assert len(NAMED) > 30
    assert [name for name in sorted(set(NAMED)) if not exists(*name)] == []


def test_the_semantics_link_tests_that_exist() -> None:
    links = re.findall(r"\[([^\]]+)\]\(\.\./([^)]+)\)", SEMANTICS)
    assert len(links) > 30
    for sentence, path in links:
        text = (ROOT / path).read_text("utf-8")
        is_test = f"def test_{sentence.replace(' ', '_')}(" in text
        assert is_test or f"\n# {sentence}\n" in text, sentence
