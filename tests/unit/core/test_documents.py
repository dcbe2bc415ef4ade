"""The pages about the core name functions and tests that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SEMANTICS = (ROOT / "docs" / "semantics.md").read_text("utf-8")
NAMED = re.findall(
    r"`(?:([a-z_]+)\.)?([a-z_]+)\.([A-Za-z_]+)(?:\.([a-z_]+))?`", ARCHITECTURE
)


@pytest.mark.parametrize(
    ("folder", "module", "name", "attribute"), sorted(set(NAMED))
)
def test_the_architecture_names_what_exists(
    folder: str, module: str, name: str, attribute: str
) -> None:
    if name == "py":
        return
    (path,) = (
        path
        for package in ("core", "sockets")
        for path in (ROOT / "minimr" / package).rglob(f"{module}.py")
        if folder in ("", path.parent.name)
    )
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    imported = importlib.import_module(dotted)
    found = getattr(imported, name)
    assert not attribute or hasattr(found, attribute)


def test_the_semantics_link_tests_that_exist() -> None:
    links = re.findall(r"\[([^\]]+)\]\(\.\./([^)]+)\)", SEMANTICS)
    assert len(links) > 30
    for sentence, path in links:
        text = (ROOT / path).read_text("utf-8")
        is_test = f"def test_{sentence.replace(' ', '_')}(" in text
        assert is_test or f"\n# {sentence}\n" in text, sentence
