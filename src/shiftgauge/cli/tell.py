"""What a command prints about a finished run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shiftgauge.results.result import RunResult

R = TypeVar("R", bound="RunResult")


def tell(result: R, folder: Path, summary: Callable[[R], RenderableType], *, quiet: bool) -> None:
    """Prints the summary and where the page is; when quiet, only the gates that were missed.

    Args:
        result: What was found.
        folder: Its run folder.
        summary: Gives what a terminal shows of this kind of result.
        quiet: Leave the summary out.
    """
    if quiet:
        for gate in result.gates:
            if not gate.passed:
                typer.echo(f"gate missed: {gate.text}", err=True)
        return
    from rich.console import Console

    Console(highlight=False).print(summary(result))
    typer.echo(f"page: {folder / 'report.html'}")
