"""Opening a page in the browser, where there is one to open it."""

import os
import sys
from pathlib import Path

import typer


def show_page(page: Path) -> bool:
    """Opens a page in the browser; on a machine without a screen nothing is tried.

    Returns:
        Whether a browser was asked.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    typer.launch(str(page))
    return True
