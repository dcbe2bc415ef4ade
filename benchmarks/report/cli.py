"""`python -m benchmarks report DIR`: the page."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.common.options import tell
from benchmarks.report import others, scaling
from benchmarks.report.content import Origin, Section
from benchmarks.scaling.store import KINDS, Store
from minimr.system.files import atomic_bytes_writer, atomic_writer

HERE = Path(__file__).parent
FIGURES = "figures"  # beside the Markdown page


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--title", default="minimr, measured", show_default=True)
@click.option(
    "--to", type=click.Path(file_okay=False), help="Default: the folder."
)
def report(folder: str, title: str, to: str | None) -> None:
    """Make a page of all runs whose JSON is in FOLDER.

    Writes report.html, which stands alone, and report.md with its figures.
    """
    documents = read(Path(folder))
    if not documents:
        raise click.ClickException(f"no JSON of a benchmark is in {folder}")
    sections = list(scaling.sections(list(Store(folder).points())))
    sections += [
        others.section(document, path.name)
        for path, document in documents.items()
        if document["benchmark"] not in KINDS
    ]
    target = Path(to or folder)
    write(target, title, sections, origins(documents))
    click.echo(f"wrote {target / 'report.html'} and {target / 'report.md'}")


def read(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return the files of benchmarks; print a line per other file."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            tell(f"{path} is left out: it cannot be read as JSON ({error})")
            continue
        if isinstance(document, dict) and {"benchmark", "machine"} <= set(
            document
        ):
            found[path] = document
        else:
            tell(f"{path} is left out: no benchmark's --json has written it")
    return found


def origins(documents: dict[Path, dict[str, Any]]) -> list[Origin]:
    """Return how the numbers were made, once per command."""
    machines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for document in documents.values():
        machine = document["machine"]
        machines[machine["command"]].append(machine)
    return [Origin.of(same) for same in machines.values()]


def write(
    target: Path, title: str, sections: list[Section], made: list[Origin]
) -> None:
    """Write both pages, and the figures of the second."""
    content = {"title": title, "sections": sections, "origins": made}
    (target / FIGURES).mkdir(parents=True, exist_ok=True)
    for section in sections:
        for figure in section.figures:
            path = target / FIGURES / f"{figure.name}.png"
            with atomic_bytes_writer(path) as file:
                file.write(figure.png)
    for name, escape in (("html", True), ("md", False)):
        pages = Environment(
            loader=FileSystemLoader(HERE),
            autoescape=escape,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        pages.filters["cell"] = cell
        template = pages.get_template(f"page.{name}.jinja")
        with atomic_writer(str(target / f"report.{name}")) as file:
            file.write(template.render(content, folder=FIGURES))


def cell(text: str) -> str:
    """Return the text of a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ") or " "
