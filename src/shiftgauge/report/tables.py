"""Tables of an audit as Markdown and CSV: the gauge R&R table and the ranked indices.

Markdown cells escape everything that Markdown or HTML could read as markup. CSV cells of text that a spreadsheet would
run as a formula (`=`, `+`, `-`, `@` first) get an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import xarray as xr

from shiftgauge.report.format import clean, fixed, input_label, interval, number, percent, percent_interval
from shiftgauge.report.read import Quantity, components, estimate, gauge_words, named_quantity, ranked, strings
from shiftgauge.results.audit import AuditResult

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")


def indices_markdown(result: AuditResult, quantity: str | None = None) -> str:
    """Returns the first and total indices of a quantity, ranked, as a Markdown table.

    Args:
        result: The audit.
        quantity: A quantity of the result; default the one of interest.

    Raises:
        ConfigError: No such quantity.
    """
    data, found = result.arrays, named_quantity(result, quantity)
    rows = []
    for key in ranked(data, found.name, strings(data, "input")):
        first, total = (estimate(data, kind, quantity=found.name, input=key) for kind in ("first_order", "total_order"))
        cells = [
            f"{fixed(e.value)} {interval(e.low, e.high)}".strip().replace("[", r"\[").replace("]", r"\]")
            for e in (first, total)
        ]
        rows.append([markdown_cell(input_label(key)), *cells])
    return _warning(found) + _markdown(["Input", "First", "Total"], rows, "lrr")


def gauge_markdown(result: AuditResult, quantity: str | None = None) -> str:
    """Returns the gauge R&R table as Markdown with its verdict below; one sentence when the result has none."""
    data, found = result.arrays, named_quantity(result, quantity)
    if "gauge_contribution" not in data:
        return "This audit looked at fixed images one by one: there is no part-to-part variation and no gauge table.\n"
    rows = []
    for k, (label, level) in enumerate(components(data)):
        where = {"quantity": found.name, "component": k}
        variance, share, study = (
            estimate(data, f"gauge_{v}", **where) for v in ("variance", "contribution", "study_variation")
        )
        bounds = percent_interval(share.low, share.high).replace("[", r"\[").replace("]", r"\]")
        rows.append(
            [
                "&emsp;" * level + markdown_cell(label),
                number(variance.value),
                f"{percent(share.value)} {bounds}".strip(),
                percent(study.value),
            ]
        )
    header = ["Source", "Variance", "Contribution", "Study variation"]
    return _warning(found) + _markdown(header, rows, "lrrr") + _judgement(data, found)


def indices_csv(result: AuditResult) -> str:
    """Returns every index of every quantity as CSV: quantity, kind, input, input_2, estimate, low, high."""
    frame = result.to_dataframe()
    return _csv(list(frame.columns), [list(row) for row in frame.itertuples(index=False)])


def gauge_csv(result: AuditResult) -> str:
    """Returns the gauge R&R table of every quantity as CSV; only the header when the result has none."""
    data = result.arrays
    header = ["quantity", "component", "level", "variance", "variance_low", "variance_high"]
    header += ["contribution", "contribution_low", "contribution_high", "study_variation"]
    rows: list[list[object]] = []
    for name in strings(data, "quantity") if "gauge_contribution" in data else []:
        for k, (label, level) in enumerate(components(data)):
            where = {"quantity": name, "component": k}
            variance, share = estimate(data, "gauge_variance", **where), estimate(data, "gauge_contribution", **where)
            study = estimate(data, "gauge_study_variation", **where)
            values = [variance.value, variance.low, variance.high, share.value, share.low, share.high, study.value]
            rows.append([name, label, level, *values])
    return _csv(header, rows)


def markdown_cell(text: object) -> str:
    """Returns text as one Markdown table cell that shows it as it stands.

    Example:
        >>> markdown_cell("<b>|*x*")
        '&lt;b&gt;\\\\|\\\\*x\\\\*'
    """
    plain = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", plain)


def csv_cell(text: str) -> str:
    """Returns text that no spreadsheet runs as a formula.

    Example:
        >>> csv_cell("=1+1"), csv_cell("rotation")
        ("'=1+1", 'rotation')
    """
    plain = clean(text)
    return f"'{plain}" if plain.lstrip().startswith(("=", "+", "-", "@")) else plain


def _warning(quantity: Quantity) -> str:
    if quantity.factual:
        return ""
    return f"**Surrogate only, Q² = {fixed(quantity.share, 2)}: these are not the classifier's indices.**\n\n"


def _judgement(data: xr.Dataset, quantity: Quantity) -> str:
    named = zip(
        ("Distinct categories", "Verdict by the customary limits"), gauge_words(data, quantity.name), strict=True
    )
    said = [f"{label}: {markdown_cell(words)}." for label, words in named if words] if quantity.factual else []
    return f"\n{' '.join(said)}\n" if said else ""


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    rule = ["---:" if a == "r" else "---" for a in align]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, rule, *rows])


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([csv_cell(v) if isinstance(v, str) else _bare(v) for v in row])
    return buffer.getvalue()


def _bare(value: object) -> object:
    return "" if isinstance(value, float) and value != value else value
