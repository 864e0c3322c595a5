"""Options that several studies share, and how what was typed reaches them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
Out = Annotated[Path, typer.Option(help="Run folder.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
Quick = Annotated[bool, typer.Option("--quick", help="A few small images: whether everything runs.")]
Weights = Annotated[str, typer.Option(help="imagenet, none (at random), or a file of weights.")]
TrainingFolder = Annotated[Path | None, typer.Option(help="Run folder of a finished training.", show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="Another number of epochs.", show_default=False)]


def where(device: str, *, quiet: bool) -> dict[str, Any]:
    """Arguments `device` and `progress` of a study: the first device there is for `auto`, no progress when quiet.

    Args:
        device: As typed.
        quiet: As typed.

    Example:
        >>> where("auto", quiet=True)
        {'device': None, 'progress': False}
    """
    return {"device": None if device == "auto" else device, "progress": False if quiet else None}
