"""The audit of a tabular model in a terminal: verdict, trust, gates, indices, retraining, cost."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shiftgauge.report.blocks.method import failure_fact, surrogate_text
from shiftgauge.report.blocks.table import build_reduction, build_table_cost
from shiftgauge.report.format import fixed, input_label, interval, shorten
from shiftgauge.report.read import Estimate, estimate, is_constant, main_quantity, ranked, strings
from shiftgauge.report.table_page import measured_sentence
from shiftgauge.report.terminal_parts import gate_lines, line, opening, plain_table
from shiftgauge.results.table import TableAuditResult

_NAME: Final = 24


def table_summary(result: TableAuditResult) -> RenderableType:
    """Returns what a terminal shows after the audit of a tabular model; readable at 80 columns without colour."""
    explained = surrogate_text(result.arrays, main_quantity(result))
    sentence = f"{measured_sentence(result)} {explained}".strip()
    parts: list[RenderableType] = [Text(""), *opening(result, sentence), Text(""), *gate_lines(result.gates)]
    parts += [*_indices(result), Text(""), *_reduction(result)]
    facts = dict(build_table_cost(result)["facts"])
    failed = failure_fact(result.arrays)
    some = "" if failed is None else f" {failed[1].partition(' ')[0]} failed,"
    cost = f"{facts['Evaluations of the model']} evaluations,{some} {facts['Time']}"
    return Group(*parts, line(("Cost: ", "bold"), (cost, "")))


def _indices(result: TableAuditResult) -> list[RenderableType]:
    data, quantity = result.arrays, main_quantity(result)
    if is_constant(data, quantity.name):
        return [line(("Indices: undefined, because the output never changed.", "bold"))]
    table = plain_table("Input")
    for name in ("First", "interval", "Total", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in ranked(data, quantity.name, strings(data, "input")):
        where = {"quantity": quantity.name, "input": key}
        first, total = (estimate(data, kind, **where) for kind in ("first_order", "total_order"))
        table.add_row(Text(shorten(input_label(key), _NAME)), *_cells(first), *_cells(total))
    return [line((f"Sensitivity indices: {shorten(quantity.label, 50)}", "bold")), table]


def _reduction(result: TableAuditResult) -> list[RenderableType]:
    found = build_reduction(result)
    if found is None:
        return []
    table: Table = plain_table("Trained on")
    for name in (found["score"].capitalize(), "range"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found["rows"]:
        table.add_row(Text(row["label"]), Text(row["mean"]), Text(row["range"], style="dim"))
    return [line((found["caption"], "bold")), table, Text("")]


def _cells(value: Estimate) -> tuple[Text, Text]:
    return Text(fixed(value.value)), Text(interval(value.low, value.high), style="dim")
