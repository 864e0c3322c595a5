"""Evaluations that gave NaN or infinity and were left out: how many, and what that means."""

from __future__ import annotations

import xarray as xr

from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.result import Indices
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.results.status import Message
from shiftgauge.types import OutputsNQ


def failure_facts(values: OutputsNQ, indices: Indices, design: PickFreezeDesign | PlainDesign) -> dict[str, int]:
    """What failed, as attributes of the arrays; empty where every evaluation gave numbers.

    `n_failed` evaluations gave NaN or infinity; `n_dropped` of `n_drawn` blocks (rows of a plain design) were therefore
    left out.
    """
    failed = int((~finite_rows(values)).sum())
    if not failed:
        return {}
    return {
        "n_failed": failed,
        "n_dropped": indices.n_dropped,
        "n_drawn": design.n_rows // design.rows_per_block,
    }


def failure_messages(arrays: xr.Dataset) -> list[Message]:
    """Says how many evaluations failed and what that means, where some did."""
    failed, drawn = (int(arrays.attrs.get(name, 0)) for name in ("n_failed", "n_drawn"))
    if not failed:
        return []
    alone = arrays.attrs["estimator"] == "gpc"
    what = "rows" if alone else "blocks"
    meaning = (
        "the surrogate speaks for such cases too, though it has seen none"
        if alone
        else "the indices are those of the cases that ran"
    )
    text = (
        f"In {failed:,} evaluation{'s' * (failed > 1)} the model gave NaN or infinity; {arrays.attrs['n_dropped']:,} "
        f"of {drawn:,} {what} of the design that hold one were left out; {meaning}"
    )
    return [Message(level="caution", code="failed_runs", text=text)]
