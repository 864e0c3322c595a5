"""What a command prints about a finished run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from shiftgauge.cli.browser import show_page

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shiftgauge.results.result import RunResult

R = TypeVar("R", bound="RunResult")


def tell(
    result: R, folder: Path, summary: Callable[[R], RenderableType], *, quiet: bool, open_page: bool = False
) -> None:
    """Prints the summary and where things lie, when quiet only the gates that were missed; shows the page if asked.

    Args:
        result: What was found.
        folder: Its run folder.
        summary: Gives what a terminal shows of this kind of result.
        quiet: Leave the summary out.
        open_page: Open the page in the browser.
    """
    page = folder / "report.html"
    if quiet:
        from shiftgauge.report.format import clean

        for gate in result.gates:
            if not gate.passed:
                typer.echo(f"gate missed: {clean(gate.text)}", err=True)
    else:
        from rich.console import Console

        Console(highlight=False).print(summary(result))
        typer.echo(f"page: {page}")
    if open_page:
        show_page(page)
