"""Options of several commands, and their checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from minimr.system.files import check_writable

AT_LEAST_ONE = click.IntRange(min=1)


def output_file(name: str, help: str) -> Callable[..., Any]:
    """Return an option for an output file, checked before the work begins."""
    return click.option(
        name, type=click.Path(dir_okay=False), callback=_writable, help=help
    )


def some_of(
    name: str, known: Iterable[str], default: str = "", **about: Any
) -> Callable[..., Any]:
    """Make an option that takes `a,b` apart and knows each part.

    Args:
        default: of the option; "": all that are known.
    """
    allowed = tuple(known)

    def check(
        context: click.Context, option: click.Parameter, value: str
    ) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(value.split(",")))
        for name in names:
            if name not in allowed:
                raise click.BadParameter(
                    f"{name!r} is none of {', '.join(allowed)}"
                )
        return names

    about = {"show_default": True, "callback": check, **about}
    return click.option(name, default=default or ",".join(allowed), **about)


def tell(line: str) -> None:
    """Print a line of progress, apart from the results."""
    click.echo(line, err=True)


def _writable(
    context: click.Context, option: click.Parameter, path: str | None
) -> str | None:
    if path is not None:
        try:
            check_writable(path)
        except OSError as error:
            raise click.BadParameter(f"{path}: {error.strerror}") from None
    return path
