"""One self-contained HTML document from a template: style, scripts and data inside, nothing asked of any network.

Safety: Jinja escapes every value, and the document's own policy (CSP) allows exactly its one script and one style
sheet, by hash, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from shiftgauge.report.format import clean


def render(template: str, context: Mapping[str, Any], *, scripts: Sequence[str]) -> str:
    """Returns a template as one document.

    Args:
        template: Name of the template; it finds `css`, `script`, `policy` and `version` beside the context.
        context: What the template shows.
        scripts: Script files, joined in this order.
    """
    css, script = _read("page.css"), "\n".join(_read(name) for name in scripts)
    return (
        _environment()
        .get_template(template)
        .render(
            css=Markup(css), script=Markup(script), policy=policy(css, script), version=installed(), **dict(context)
        )
    )


def policy(css: str, script: str) -> str:
    """Returns the content security policy: nothing but this style, this script and `data:` pictures."""
    return (
        f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def installed() -> str:
    """Returns the version of shiftgauge that is installed."""
    try:
        return installed_version("shiftgauge")
    except PackageNotFoundError:
        return "unknown"


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


def _read(name: str) -> str:
    return files("shiftgauge.report").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
