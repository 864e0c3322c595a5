"""`shiftgauge shifts`: the catalogue of shifts and presets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shiftgauge.cli.exits import Debug, exit_codes
from shiftgauge.shifts.catalog import CATALOG, PRESETS, Preset, Shift, get


def shifts_command(
    name: Annotated[str | None, typer.Argument(help="A shift or a preset; leave it out to list all.")] = None,
    debug: Debug = False,
) -> None:
    """List the shifts and presets, or tell all about one."""
    with exit_codes(debug=debug):
        console = Console(highlight=False)
        if name is None:
            console.print(_catalogue())
            console.print(_presets())
        elif name in PRESETS and name not in CATALOG:
            console.print(Text(f"{name}: {PRESETS[name].summary}"))
            console.print(_preset(PRESETS[name]))
        else:
            console.print(_shift(get(name)))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("shift", "preset", "valid range"), overflow="fold")
    return table


def _catalogue() -> Table:
    table = _table("shift", "valid range", "neutral", "what it does")
    stage = ""
    for shift in CATALOG.values():
        if shift.stage != stage:
            stage = shift.stage
            table.add_section()
        unit = f" {shift.unit}" if shift.unit else ""
        clause = re.split(r"[;:.]( |$)", shift.summary)[0]
        table.add_row(shift.name, _range(shift) + unit, f"{shift.identity:g}", Text(clause))
    table.caption = "`shiftgauge shifts NAME` tells all about one"
    table.caption_justify = "left"
    return table


def _presets() -> Table:
    table = _table("preset", "shifts", "what it is for")
    for preset in PRESETS.values():
        table.add_row(preset.name, ", ".join(preset.names), Text(preset.summary))
    return table


def _shift(shift: Shift) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    facts = {
        "shift": shift.name,
        "what it does": shift.summary,
        "stage": shift.stage,
        "unit": shift.unit or "none",
        "valid range": _range(shift),
        "no change at": f"{shift.identity:g}",
        "differentiable": "yes" if shift.differentiable else "no",
        "random": "yes: a new draw for each evaluation" if shift.random else "no",
        "goes with": shift.companion_of,
        "a usual spread": _spread(shift.name, shift.default),
        "in a file": f"{shift.name}: {_yaml(shift)}",
    }
    for key, value in facts.items():
        if value:
            table.add_row(key, Text(value))
    return table


def _preset(preset: Preset) -> Table:
    table = _table("shift", "distribution")
    for name, entry in preset.distributions.items():
        table.add_row(name, Text(_spread(name, entry)))
    order = " → ".join(preset.order) or "the camera's (light, geometry, optics, sensor)"
    table.add_section()
    table.add_row("order", Text(order))
    table.add_row("outside", f"what lies outside the picture: {preset.fill}")
    return table


def _spread(name: str, entry: Mapping[str, Any]) -> str:
    from shiftgauge.parameter import Parameter

    return Parameter.from_dict(name, {**entry, "unit": get(name).unit}).describe()


def _range(shift: Shift) -> str:
    return f"{shift.low:g} to {shift.high:g}"


def _yaml(shift: Shift) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in shift.default.items()) + "}"
