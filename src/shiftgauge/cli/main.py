"""The command `shiftgauge`: its commands and its entry point.

A command's heavy imports stand inside it, so that `shiftgauge --help` answers at once.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from shiftgauge import __version__
from shiftgauge.cli.attack_command import attack_command
from shiftgauge.cli.audit import audit_command
from shiftgauge.cli.blocks import blocks_command
from shiftgauge.cli.demo import demo_command
from shiftgauge.cli.explain_command import explain_command
from shiftgauge.cli.init import init_command
from shiftgauge.cli.report import report_command
from shiftgauge.cli.schema import schema_command
from shiftgauge.cli.shifts import shifts_command
from shiftgauge.cli.study import study_app
from shiftgauge.cli.train import train_command

app = typer.Typer(
    name="shiftgauge",
    help="Measure which changes in its input a trained image classifier depends on, how much and how surely.",
    epilog="Exit codes: 0 done; 1 a gate was missed; 2 bad input; 3 interrupted, the same command goes on; "
    "70 a mistake in the program, which --debug shows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shiftgauge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("audit")(audit_command)
app.command("train")(train_command)
app.command("explain")(explain_command)
app.command("attack")(attack_command)
app.command("demo")(demo_command)
app.command("report")(report_command)
app.command("shifts")(shifts_command)
app.command("blocks")(blocks_command)
app.command("init")(init_command)
app.command("schema")(schema_command)
app.add_typer(study_app, name="study")


def run() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks ° or ² shows ? instead of failing
    app(prog_name="shiftgauge")


if __name__ == "__main__":
    run()
