"""What the publication on the diabetes table says, beside what was measured: all findings, headline and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Finding
from shiftgauge.studies import diabetes_claims as network
from shiftgauge.studies import diabetes_table_claims as table


def find(arrays: xr.Dataset) -> tuple[Finding, ...]:
    """All findings that the arrays allow.

    What is said of the published weights needs them to have been given; of the growth of N, two sizes; of the settings
    of retraining, that they were left as published.
    """
    found = []
    if arrays.attrs["network"] == "published":
        found.append(network.accuracy(arrays))
    found += [network.leaders(arrays), network.pairs(arrays)]
    if arrays.sizes["n_base"] > 1:
        found.append(network.convergence(arrays))
    found += [network.hidden(arrays), table.leading(arrays), table.trailing(arrays)]
    if arrays.attrs["recipe"] == "published":
        found.append(table.same_settings(arrays))
    found += [table.component_share(arrays), table.component_order(arrays)]
    return (*found, network.ranges(arrays), network.seeds(arrays))


def headline(arrays: xr.Dataset, findings: Sequence[Finding]) -> str:
    """The outcome in two sentences."""
    counts = {kind: sum(f.agreement == kind for f in findings) for kind in ("agrees", "partly", "differs")}
    total = arrays["total_order"][0]
    top = [f"{n} ({float(total.sel(input=n)):.2f})" for n in network.ranking(total)[:3]]
    alike, n = network.alike(arrays), arrays.sizes["seed"]
    if arrays.attrs["network"] == "published":
        as_said = _find(findings, "Leading features").agreement == "agrees"
        text = f"In the published network {top[0]}, {top[1]} and {top[2]} lead{', as published' if as_said else ''}"
        if alike < n:
            text += (
                f"; in {n - alike} of {n} networks trained alike from other seeds "
                f"{'they' if as_said else 'the published leaders'} are not the first three"
            )
    else:
        text = f"{top[0]}, {top[1]} and {top[2]} lead in the network trained here"
    return (
        f"{text}. Of {len(findings)} claims looked at, {counts['agrees']} hold, {counts['partly']} hold in part and "
        f"{counts['differs']} do not."
    )


def messages(arrays: xr.Dataset) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    rows = int(arrays.attrs["n_rows"])
    found = [
        Message(
            level="caution",
            code="zeros",
            text=(
                "Zeros of Glucose, BloodPressure, SkinThickness, Insulin and BMI stand for “missing” in this table; "
                "the published ranges start at these zeros. The section “Other ranges” shows what that does"
            ),
        ),
        Message(
            level="caution",
            code="independent",
            text=(
                "As published, features are drawn independently and uniformly. Real patients are not: the indices "
                "describe the network over a box, not the population"
            ),
        ),
    ]
    if arrays.attrs["recipe"] != "published":
        steps = int(arrays["training_epochs"].max())
        text = (
            f"Every training was given {steps:,} steps, not the published number: what is said of retraining and of "
            "other seeds holds for these networks alone"
        )
        found.append(Message(level="caution", code="own_steps", text=text))
    if arrays.attrs["network"] != "published":
        text = "No published weights were given: the network is the one trained here from seed 0"
        found.append(Message(level="info", code="own_network", text=text))
    if rows != 768:
        text = f"The public table has 768 rows, this file has {rows}: figures of the publication may not apply"
        found.append(Message(level="caution", code="other_table", text=text))
    return tuple(found)


def _find(findings: Sequence[Finding], topic: str) -> Any:
    return next(f for f in findings if f.topic == topic)
