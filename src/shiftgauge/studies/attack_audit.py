"""What an audit of the same model found, to stand beside what attacks did to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.status import Message
from shiftgauge.types import Classifier


def open_audit(folder: str | Path) -> AuditResult:
    """Reads the run folder of an audit.

    Raises:
        StoreError: There is no finished audit of images there.
    """
    try:
        return AuditResult.from_disk(folder)
    except StoreError as error:
        raise StoreError(f"`audit`: {error}") from error


def audit_arrays(audit: AuditResult, folder: Path, out: Path, models: Mapping[str, Classifier]) -> xr.Dataset:
    """The indices of an audit's shifts, and its verdict as attributes.

    Args:
        audit: The audit.
        folder: Where it lies.
        out: The run folder of the attacks; the page there points to the audit's page.
        models: The models that are attacked, one of which may be that of the audit.
    """
    data, quantity = audit.arrays, audit.quantity_of_interest
    made_from = str(dict(audit.provenance.get("hashes") or {}).get("model", ""))
    same = [name for name, model in models.items() if model.fingerprint == made_from]
    shifts = [str(name) for name in data["shift"].values]
    variables: dict[str, Any] = {}
    for kind in ("first_order", "total_order"):
        chosen = data[[kind, f"{kind}_interval"]].sel(quantity=quantity, input=shifts)
        ends = chosen[f"{kind}_interval"].transpose("input", "bound").values
        for end, values in zip(("", "_low", "_high"), (chosen[kind].values, *ends.T), strict=True):
            variables[f"audit_{kind}{end}"] = (("audit_shift",), np.asarray(values, float))
    page = Path(os.path.relpath(folder / "report.html", out)).as_posix()
    attributes = {
        "audit_title": str(data.attrs.get("title", "")),
        "audit_headline": audit.headline,
        "audit_level": audit.level,
        "audit_quantity": quantity,
        "audit_page": page,
        "audit_model": same[0] if same else "",
        "audit_mean": float(data["mean"].sel(quantity=quantity)),
        "audit_clean_mean": float(data["clean_mean"].sel(quantity=quantity)) if "clean_mean" in data else np.nan,
    }
    return xr.Dataset(variables, {"audit_shift": shifts}, attributes)


def audit_messages(arrays: xr.Dataset, audit: AuditResult, data_fingerprint: str) -> list[Message]:
    """Where the audit was of another model, or on other images.

    Args:
        arrays: Of `audit_arrays`.
        audit: The audit.
        data_fingerprint: Content hash of the data that are attacked.
    """
    found = []
    if not arrays.attrs["audit_model"]:
        text = "The audit that stands beside is of another model than those that were attacked."
        found.append(Message(level="caution", code="other_model_audited", text=text))
    if dict(audit.provenance.get("hashes") or {}).get("data") != data_fingerprint:
        text = "The audit that stands beside was made on other images, or on a part of them."
        found.append(Message(level="info", code="other_images_audited", text=text))
    return found
