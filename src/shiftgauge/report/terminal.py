"""The audit in a terminal: verdict, trust, gates, tables, cost; readable at 80 columns without colour."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.blocks.depth import depth_line
from shiftgauge.report.blocks.method import failure_fact, surrogate_text
from shiftgauge.report.blocks.record import build_cost
from shiftgauge.report.blocks.verdict import alarm_text, measured_text
from shiftgauge.report.format import clean, fixed, input_label, interval, percent, percent_interval, shorten
from shiftgauge.report.read import (
    Estimate,
    Quantity,
    components,
    estimate,
    gauge_words,
    is_constant,
    main_quantity,
    ranked,
    strings,
)
from shiftgauge.report.terminal_parts import STYLE, gate_lines, line, opening, plain_table
from shiftgauge.results.audit import AuditResult

_NAME: Final = 28
"""Most characters of a name in a table."""


def summary(result: AuditResult, page: str | Path | None = None) -> RenderableType:
    """Returns what a terminal shows after an audit.

    Args:
        result: The audit.
        page: Where the page was written; named on the last line.

    Example:
        >>> from rich.console import Console
        >>> Console().print(summary(result, "runs/weld/report.html"))  # doctest: +SKIP
    """
    quantity = main_quantity(result)
    parts: list[RenderableType] = [Text(""), *_verdict(result, quantity), Text("")]
    parts += _gates(result, quantity)
    if "gauge_contribution" in result.arrays:
        parts += [*_gauge(result, quantity), Text("")]
    parts += [*_indices(result, quantity), Text("")]
    if "block_total_order" in result.arrays:
        parts.append(line(("Depth: ", "bold"), (depth_line(result.arrays), "")))
    parts.append(_cost(result))
    if page is not None:
        parts.append(line(("Page: ", "bold"), (clean(page), "")))
    return Group(*parts)


def _verdict(result: AuditResult, quantity: Quantity) -> list[RenderableType]:
    level = result.level if quantity.factual else "alarm"
    lines: list[RenderableType] = []
    if not quantity.factual:
        lines.append(line(("ALARM: ", STYLE["alarm"]), (alarm_text(quantity), STYLE["alarm"])))
    lines += opening(result, measured_text(result), level=level)
    if result.arrays.attrs.get("reason"):
        lines.append(line((clean(result.arrays.attrs["reason"]), "dim")))
    explained = surrogate_text(result.arrays, quantity)
    return [*lines, line((explained, "dim"))] if explained else lines


def _gates(result: AuditResult, quantity: Quantity) -> list[RenderableType]:
    note = "" if quantity.factual else " (judged on the surrogate: not established)"
    return gate_lines(result.gates, note)


def _gauge(result: AuditResult, quantity: Quantity) -> list[RenderableType]:
    data = result.arrays
    title = f"Gauge R&R: {shorten(quantity.label, 50)}{'' if quantity.factual else ' (surrogate only)'}"
    table = plain_table("Source")
    for name in ("Contribution", "95 %" if result.confidence_level == 0.95 else "interval", "Study variation"):
        table.add_column(name, justify="right", no_wrap=True)
    for k, (label, level) in enumerate(components(data)):
        share = estimate(data, "gauge_contribution", quantity=quantity.name, component=k)
        study = estimate(data, "gauge_study_variation", quantity=quantity.name, component=k)
        text = Text("  " * level + shorten(label, _NAME))
        text.stylize("bold" if label.lower().startswith("total") else "")
        cells = (percent(share.value), percent_interval(share.low, share.high), percent(study.value))
        table.add_row(text, *(Text(c) for c in cells))
    count, verdict = gauge_words(data, quantity.name)
    if quantity.factual and (count or verdict):
        caption = "; ".join(f"{k}: {v}" for k, v in (("distinct categories", count), ("verdict", verdict)) if v)
        table.caption = Text(caption, style="dim")
    return [line((title, "bold")), table]


def _indices(result: AuditResult, quantity: Quantity) -> list[RenderableType]:
    data = result.arrays
    if is_constant(data, quantity.name):
        return [line(("Indices: undefined, because the output never changed.", "bold"))]
    note = "" if quantity.factual else " OF THE SURROGATE, not facts"
    table = plain_table("Input")
    for name in ("First", "interval", "Total", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in ranked(data, quantity.name, strings(data, "input")):
        first, total = (
            estimate(data, kind, quantity=quantity.name, input=key) for kind in ("first_order", "total_order")
        )
        table.add_row(Text(shorten(input_label(key), _NAME - 6)), *_cells(first), *_cells(total))
    return [line((f"Sensitivity indices{note}: {shorten(quantity.label, 50)}", "bold")), table]


def _cells(value: Estimate) -> tuple[Text, Text]:
    return Text(fixed(value.value)), Text(interval(value.low, value.high), style="dim")


def _cost(result: AuditResult) -> Text:
    facts = dict(build_cost(result)["facts"])
    parts = []
    if "Evaluations of the classifier" in facts:
        parts.append(f"{facts['Evaluations of the classifier']} evaluations")
    failed = failure_fact(result.arrays)
    parts += [] if failed is None else [f"{failed[1].partition(' ')[0]} failed"]
    if "Time" in facts:
        parts.append(facts["Time"])
    if "Images per second" in facts:
        parts.append(f"{facts['Images per second']} images/s")
    if "Run as" in facts:
        parts.append(clean(facts["Run as"]))
    return line(("Cost: ", "bold"), (", ".join(parts), ""))
