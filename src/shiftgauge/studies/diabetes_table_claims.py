"""Claims of the diabetes publication about its table: training again with fewer features, and principal components.

Every verdict follows from the arrays by the rule that its function states.
"""

from __future__ import annotations

from typing import Final

import xarray as xr

from shiftgauge.results.study import Agreement, Finding
from shiftgauge.studies.diabetes_claims import ranking

_BETTER: Final = 0.01
_LEAK: Final = 0.005


def leading(a: xr.Dataset) -> Finding:
    """Agrees if the mean is near 80 % and near that of all features, in part if one of both, differs else."""
    own = a["training_accuracy"].sel(training="leading 4", part="test").values
    full = a["training_accuracy"].sel(training="all 8", part="test").values
    held = [abs(own.mean() - 0.80) < 0.015, abs(own.mean() - full.mean()) < 0.015]
    return Finding(
        topic="Four leading features",
        published="about 80 % on test rows, close to all features",
        measured=f"{own.mean():.1%} over {len(own)} seeds, from {own.min():.1%} to {own.max():.1%} "
        f"(all eight features: {full.mean():.1%})",
        agreement="agrees" if all(held) else "partly" if any(held) else "differs",
    )


def trailing(a: xr.Dataset) -> Finding:
    """Agrees if the mean is near 69 % and above the majority rule, in part if one of both, differs else."""
    own = a["training_accuracy"].sel(training="trailing 4", part="test").values
    rule = float(a["majority"].sel(part="test"))
    held = [abs(own.mean() - 0.69) < 0.025, own.mean() > rule + _BETTER]
    why = "On average it is above the majority rule, which the text does not mention."
    if not held[1]:
        why = (
            "On average it is no better than the majority rule, which the text does not mention: these four features "
            "alone give the network next to nothing that holds on the test rows."
        )
    return Finding(
        topic="Four trailing features",
        published="about 69 % on test rows: “less significant” information",
        measured=f"{own.mean():.1%} over {len(own)} seeds; always answering “no diabetes” gives {rule:.1%}",
        agreement="agrees" if all(held) else "partly" if any(held) else "differs",
        why=why,
    )


def same_settings(a: xr.Dataset) -> Finding:
    """Agrees if steps and rates were the same and the leak does not matter, in part if only the leak does."""
    parts = {n: a.sel(training=n) for n in ("all 8", "trailing 4")}
    steps = [int(p["training_epochs"]) for p in parts.values()]
    drops = [int(p["training_drop"]) for p in parts.values()]
    clean, leaked = (
        float(parts["trailing 4"][k].sel(part="test").mean()) for k in ("training_accuracy", "training_accuracy_leaked")
    )
    same, harmless = steps[0] == steps[1] and drops[0] == drops[1], abs(leaked - clean) < _LEAK
    agreement: Agreement = ("agrees" if harmless else "partly") if same else "differs"
    words = f"{steps[1]:,} steps" + (f" instead of {steps[0]:,}" if steps[0] != steps[1] else " for both")
    if drops[0] != drops[1]:
        words += f" and {'a' if drops[1] else 'no'} drop of the learning rate" + (
            f" at step {drops[1]:,}" * bool(drops[1])
        )
    return Finding(
        topic="Retraining with “the original parameters”",
        published="only the features were changed",
        measured=f"{words}; trailing features {clean:.1%} without the leak, {leaked:.1%} with it",
        agreement=agreement,
        why="The script also runs the test rows through the network in training mode after every step, which mixes "
        "them into the running statistics of batch norm.",
    )


def component_share(a: xr.Dataset) -> Finding:
    """Agrees if four components of the positive patients hold more than 70 %."""
    share = float(a["component_share"].sel(rows="positives").sum())
    every = float(a["component_share"].sel(rows="all").sum())
    return Finding(
        topic="Four principal components",
        published="more than 70 % of the variance",
        measured=f"{share:.2%} of the positive patients, {every:.2%} of all rows",
        agreement="agrees" if share > 0.70 else "differs",
        why=""
        if share > 0.70
        else "The published figure is of the positive patients, where the share stays below 70 %.",
    )


def component_order(a: xr.Dataset) -> Finding:
    """Agrees if the four lead in the published order, in part if in another one, differs if others lead."""
    weight = a["component_importance"].sel(rows="positives")
    named, top = ["Glucose", "BMI", "Insulin", "BloodPressure"], ranking(weight)[:4]
    values = [float(weight.sel(input=n)) for n in top]
    spread = f"they differ by {1 - values[3] / values[0]:.1%}"
    if top == named:
        agreement, why = "agrees", f"In that order, though {spread}"
    elif set(top) == set(named):
        agreement, why = "partly", f"The same four, in another order: {spread}"
    else:
        missing = [n for n in named if n not in top]
        agreement, why = "differs", f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not among them"
    return Finding(
        topic="Leading features by components",
        published="Glucose, BMI, Insulin and BloodPressure",
        measured=", ".join(f"{n} {v:.4f}" for n, v in zip(top, values, strict=True)),
        agreement=agreement,
        why=f"{why}. The sum of absolute loadings of four components is no measure of influence on the diagnosis.",
    )
