"""The audit as one self-contained page: `report.html` works offline and asks no network for anything.

Drawings are SVG made here and coloured by the page's style sheet, so that they follow light, dark and print and
work without scripts; tables carry the same numbers. The response surface alone is drawn by a script of the page's own,
on a plain 2-D canvas. Plotly was tried and left out of the page: its 3-D surface needs WebGL, which Debian's Chromium
has without a graphics processor only through a software renderer (5 to 7 s until the surface stood, on two cores) and
not at all where that renderer is off, as plants' computers may have it; it adds 4.8 MB to every page; and its canvas
follows neither dark mode nor print.

Safety: Jinja escapes every value; JSON is escaped so that it cannot end its element; and the page's own policy (CSP)
allows exactly its one script and one style sheet, by hash, and no connection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import effects, gauge, images, indices, record, surface, verdict
from shiftgauge.report.blocks.curves import build_curves
from shiftgauge.report.blocks.depth import build_depth
from shiftgauge.report.document import render
from shiftgauge.report.embed import safe_json
from shiftgauge.report.format import clean
from shiftgauge.report.read import main_quantity, quantities
from shiftgauge.results.audit import AuditResult


def write_page(result: AuditResult, path: str | Path) -> Path:
    """Writes the page of an audit and returns its path.

    Args:
        result: The audit.
        path: The file to write, usually `report.html` in the run folder.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_atomic(path, render_page(result).encode("utf-8"))


def render_page(result: AuditResult) -> str:
    """Returns the page of an audit as HTML.

    Args:
        result: The audit; arrays that are absent leave their block out.

    Returns:
        One document with style, script, pictures and data inside.
    """
    context = _context(result)
    shown = context["surface"]
    data = safe_json(_cleaned(shown["payload"])) if shown else ""
    return render("page.html", {"surface_json": data, **context}, scripts=("scene.js", "surface.js", "page.js"))


def _context(result: AuditResult) -> dict[str, Any]:
    shown, main = quantities(result), main_quantity(result)
    estimator = str(result.arrays.attrs.get("estimator", ""))
    return {
        "title": clean(result.arrays.attrs.get("title") or "Audit"),
        "quantities": shown,
        "several": len(shown) > 1,
        "fixed_images": not result.arrays.attrs.get("has_part", 1) and "gauge_contribution" not in result.arrays,
        "notes": {q.key: verdict.drawing_note(q, estimator) for q in shown},
        "verdict": verdict.build(result, main),
        "space": record.build_space(result),
        "gauge": gauge.build(result, shown),
        "indices": indices.build(result, shown),
        "interactions": indices.build_interactions(result, shown),
        "curves": build_curves(result, shown),
        "depth": build_depth(result),
        "effects": effects.build(result, shown),
        "surface": surface.build(result, shown),
        "strips": images.build_strips(result),
        "images": images.build_images(result, shown),
        "surrogate": record.build_surrogate(result, shown),
        "cost": record.build_cost(result),
        "provenance": record.build_provenance(result),
    }


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {k: _cleaned(v) for k, v in value.items()}
    return [_cleaned(v) for v in value] if isinstance(value, list) else value
