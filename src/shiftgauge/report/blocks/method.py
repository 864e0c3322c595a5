"""How indices came about, in plain words: the surrogate, what sharpened it, and the runs that failed."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.report.format import clean, number, percent
from shiftgauge.report.read import Quantity, pick

_METHOD: Final = {
    "assisted": "surrogate-assisted pick-freeze (corrected by the sample, so that it does not rest on the surrogate)",
    "pick_freeze": "pick-freeze Monte Carlo",
    "gpc": "polynomial chaos surrogate alone",
}
_ADDED: Final = {"trees": "boosted trees", "gp": "a Gaussian process"}


def method_text(data: xr.Dataset) -> str:
    """Returns what the estimator does, in a few words.

    Example:
        >>> method_text(xr.Dataset(attrs={"estimator": "gpc", "residual": "noise"}))
        'polynomial chaos surrogate alone, what it leaves over taken for noise'
    """
    estimator = str(data.attrs.get("estimator", ""))
    if estimator == "assisted" and data.attrs.get("n_failed"):
        return f"{_METHOD['pick_freeze']} (without a surrogate's help, since evaluations failed)"
    text = _METHOD.get(estimator, clean(estimator))
    return f"{text}, what it leaves over taken for noise" if data.attrs.get("residual") == "noise" else text


def surrogate_text(data: xr.Dataset, quantity: Quantity) -> str:
    """Returns one sentence: what the surrogate explains, and what an addition to it brings; empty without one."""
    if not math.isfinite(quantity.share):
        return ""
    verb = "explains" if quantity.trusted else "explains only"
    text = f"A smooth surrogate {verb} {percent(quantity.share)} of the variance (Q²)"
    added = addition_text(data, quantity.name)
    return f"{text}; {added}, which narrows the intervals." if added else f"{text}."


def addition_text(data: xr.Dataset, quantity: str) -> str:
    """Returns what was added to the polynomial and what both explain together; empty where nothing was added.

    Example:
        >>> found = {"surrogate_residual": ("quantity", ["trees"]), "surrogate_assisted_share": ("quantity", [0.97])}
        >>> addition_text(xr.Dataset(found, {"quantity": ["y"]}), "y")
        'with boosted trees added to it 97.0\\xa0%'
    """
    if "surrogate_residual" not in data:
        return ""
    added = _ADDED.get(str(pick(data, "surrogate_residual", quantity=quantity)))
    share = float(np.asarray(pick(data, "surrogate_assisted_share", quantity=quantity), float))
    return "" if added is None or not math.isfinite(share) else f"with {added} added to it {percent(share)}"


def failure_fact(data: xr.Dataset) -> tuple[str, str] | None:
    """Returns the row of the cost table that tells of evaluations that failed; None where none did.

    Example:
        >>> failure_fact(xr.Dataset(attrs={"n_failed": 60, "n_dropped": 29, "n_drawn": 256, "estimator": "assisted"}))
        ('Evaluations that failed', '60 (29 of 256 blocks of the design left out)')
    """
    failed, dropped, drawn = (int(data.attrs.get(name, 0)) for name in ("n_failed", "n_dropped", "n_drawn"))
    if not failed:
        return None
    what = "rows" if data.attrs.get("estimator") == "gpc" else "blocks"
    counts = f"{number(dropped, 7)} of {number(drawn, 7)}"
    return "Evaluations that failed", f"{number(failed, 7)} ({counts} {what} of the design left out)"
