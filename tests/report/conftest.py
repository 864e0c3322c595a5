from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factories import audit_result
from fakes import MeanClassifier
from shiftgauge.results.audit import AuditResult
from shiftgauge.studies.audit import audit

VARIANTS = {
    "plain": {},
    "hostile": {"hostile": True},
    "rough": {"share": 0.7},
    "gpc": {"estimator": "gpc", "share": 0.6},
    "fixed": {"images_mode": "fixed", "shifts": ("rotation", "brightness")},
    "constant": {"constant": True, "shifts": ("rotation",)},
}


@pytest.fixture(scope="session")
def results():
    """One result of each kind, built once."""
    found = {name: audit_result(n_base=256, **options) for name, options in VARIANTS.items()}
    return found | {"still": without_effect(audit_result(n_base=64, shifts=("rotation", "tilt")))}


def without_effect(result):
    """The result, had no shift moved the output: only the image matters, and there is no gauge verdict."""
    arrays = result.arrays.copy(deep=True)
    shifts = {"input": list(arrays["shift"].values)}
    for name in ("first_order", "total_order", "first_order_interval", "total_order_interval"):
        arrays[name].loc[shifts] = 0.0
    arrays["gauge_ndc"][:] = np.nan
    arrays["gauge_verdict"][:] = "undefined"
    return replace(result, arrays=arrays)


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """A small audit as the study itself makes it, read back from its run folder."""
    folder = tmp_path_factory.mktemp("measured") / "run"
    images = (np.linspace(0.2, 0.7, 6)[:, None, None, None] * np.ones((1, 1, 8, 8))).astype(np.float32)
    space = {"brightness": (0.5, 1.5), "rotation": (-30, 30)}
    options = {"n_base": 64, "resamples": 50, "progress": False, "data_name": "grey squares"}
    audit(MeanClassifier(), (images, (images[:, 0, 0, 0] > 0.5).astype(int)), space, out=folder, **options)
    return AuditResult.from_disk(folder)


@pytest.fixture(scope="session")
def pages(results):
    """The page of each result."""
    from shiftgauge.report.page import render_page

    return {name: render_page(result) for name, result in results.items()}


@pytest.fixture
def open_page(chromium, pages, tmp_path):
    """Opens a variant's page and records what it says and asks for."""
    contexts = []

    def start(name: str, *, width: int = 1100, scheme: str = "light", javascript: bool = True):
        file = Path(tmp_path) / f"{name}.html"
        file.write_text(pages[name], encoding="utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=javascript
        )
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda m: page.said.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: page.said.append(f"error: {e}"))
        page.on("dialog", lambda d: (page.said.append(f"dialog: {d.message}"), d.dismiss()))
        page.on("request", lambda r: page.asked.append(r.url) if r.url.split(":")[0] not in ("file", "data") else None)
        context.route(lambda url: url.split(":")[0] not in ("file", "data"), lambda route: route.abort())
        page.goto(file.as_uri())
        page.wait_for_load_state("load")
        return page

    yield start
    for context in contexts:
        context.close()
