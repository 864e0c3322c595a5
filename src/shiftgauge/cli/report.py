"""`shiftgauge report`: page and figures again from a saved run, without the model or the images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftgauge.cli.browser import show_page
from shiftgauge.cli.exits import Debug, Quiet, exit_codes


def report_command(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write the page here; default: report.html in the folder.")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the page and the figures again from a saved run.

    Neither the model nor the images are needed, and a run from another machine will do.
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.kinds import open_run

        opened = open_run(run)
        page = opened.write_page(out if out is not None else run / "report.html")
        if out is None:
            opened.write_figures(run / "figures")
        if not quiet:
            from rich.console import Console

            Console(highlight=False).print(opened.summary())
            typer.echo(f"page: {page}")
        if open_page:
            show_page(page)
