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

import base64
import hashlib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import effects, gauge, images, indices, record, surface, verdict
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
    css, script = _read("page.css"), "\n".join(_read(n) for n in ("scene.js", "surface.js", "page.js"))
    context = _context(result)
    shown = context["surface"]
    return (
        _environment()
        .get_template("page.html")
        .render(
            css=Markup(css),
            script=Markup(script),
            policy=policy(css, script),
            surface_json=safe_json(_cleaned(shown["payload"])) if shown else "",
            version=_version(),
            **context,
        )
    )


def policy(css: str, script: str) -> str:
    """Returns the content security policy: nothing but this style, this script and `data:` pictures."""
    return (
        f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


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
        "effects": effects.build(result, shown),
        "surface": surface.build(result, shown),
        "strips": images.build_strips(result),
        "images": images.build_images(result, shown),
        "surrogate": record.build_surrogate(result, shown),
        "cost": record.build_cost(result),
        "provenance": record.build_provenance(result),
    }


def _environment() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(_read)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, finalize=_finalize, trim_blocks=True
    )
    environment.filters["lines"] = _lines
    return environment


def _finalize(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    return Markup("\n").join(clean(line) for line in text.split("\n"))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {k: _cleaned(v) for k, v in value.items()}
    return [_cleaned(v) for v in value] if isinstance(value, list) else value


def _read(name: str) -> str:
    return files("shiftgauge.report").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _version() -> str:
    try:
        return installed_version("shiftgauge")
    except PackageNotFoundError:
        return "unknown"
