"""What the publication on the diabetes table says, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding

LEADERS: Final = ("Glucose", "BMI", "Age")
_RANKED: Final = ("Glucose", "BMI", "Age", "Insulin")


def find(arrays: xr.Dataset) -> tuple[Finding, ...]:
    """All findings that the arrays allow; those about the published weights need them to have been given."""
    found = []
    if arrays.attrs["network"] == "published":
        found.append(_accuracy(arrays))
    found += [_leaders(arrays), _pairs(arrays), _convergence(arrays), _hidden(arrays)]
    found += [_leading(arrays), _trailing(arrays), _same_settings(arrays)]
    found += [_component_share(arrays), _component_order(arrays), _ranges(arrays), _seeds(arrays)]
    return tuple(found)


def headline(arrays: xr.Dataset, findings: Sequence[Finding]) -> str:
    """The outcome in two sentences."""
    counts = {kind: sum(f.agreement == kind for f in findings) for kind in ("agrees", "partly", "differs")}
    total = arrays["total_order"][0]
    top = [f"{n} ({float(total.sel(input=n)):.2f})" for n in _ranking(arrays["total_order"][0])[:3]]
    alike, n = _alike(arrays), arrays.sizes["seed"]
    if arrays.attrs["network"] == "published":
        as_said = _find(findings, "Leading features").agreement == "agrees"
        text = f"In the published network {top[0]}, {top[1]} and {top[2]} lead{', as published' if as_said else ''}"
        if alike < n:
            text += f"; in {n - alike} of {n} networks trained alike from other seeds they are not the first three"
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
    if arrays.attrs["network"] != "published":
        text = "No published weights were given: the network is the one trained here from seed 0"
        found.append(Message(level="info", code="own_network", text=text))
    if rows != 768:
        text = f"The public table has 768 rows, this file has {rows}: figures of the publication may not apply"
        found.append(Message(level="caution", code="other_table", text=text))
    return tuple(found)


def _accuracy(a: xr.Dataset) -> Finding:
    train, test = (float(a["accuracy"].sel(part=p)) for p in ("train", "test"))
    b_train, b_test = (float(a["accuracy_batch"].sel(part=p)) for p in ("train", "test"))
    own = a["training_accuracy"].sel(training="all 8", part="test").values
    error = 100 * np.sqrt(test * (1 - test) / float(a["part_size"].sel(part="test")))
    return Finding(
        topic="Accuracy of the network",
        published="77.9 % on training rows, 82.5 % on test rows",
        measured=f"{train:.1%} and {test:.1%} (with batch norm left in training mode {b_train:.1%} and {b_test:.1%})",
        agreement="partly",
        why=(
            "The published weights do not give the printed figures. The script never switches batch norm to "
            "evaluation, so its figure rests on the test rows' own statistics. One test set of 200 rows has a standard "
            f"error of {error:.1f} points; {len(own)} seeds give {own.mean():.1%} on average, from {own.min():.1%} to "
            f"{own.max():.1%}."
        ),
    )


def _leaders(a: xr.Dataset) -> Finding:
    first, total = _ranking(a["first_order"][0]), _ranking(a["total_order"][0])
    agrees = set(first[:3]) == set(total[:3]) == set(LEADERS)
    shown = ", ".join(f"{n} {_text(a['total_order'][0], n)}" for n in total[:4])
    return Finding(
        topic="Leading features",
        published="Glucose, BMI and Age influence the output most",
        measured=f"total indices: {shown}",
        agreement="agrees" if agrees else "differs",
        why="Insulin follows closely by total index: it acts mostly together with others." if agrees else "",
    )


def _pairs(a: xr.Dataset) -> Finding:
    second, bounds = a["second_order"][0].values, a["second_order_interval"][0].values
    names = [str(n) for n in a["input"].values]
    i, j = np.triu_indices(len(names), 1)
    order = np.argsort(-second[i, j])[:2]
    shown = ", ".join(f"{names[i[k]]} × {names[j[k]]} {second[i[k], j[k]]:.3f}" for k in order)
    negative = int((second[i, j] < 0).sum())
    real = int((bounds[i, j][:, 0] > 0).sum())
    return Finding(
        topic="Second-order indices",
        published="a heat map in which negative values are set to 0",
        measured=f"largest: {shown}; the intervals of {real} of {len(i)} pairs lie above 0, {negative} estimates below",
        agreement="partly",
        why="A negative estimate is a small index with its noise; setting it to 0 makes every sum too large. Here "
        "estimates stay as they are and stand beside their intervals.",
    )


def _convergence(a: xr.Dataset) -> Finding:
    sizes = a["n_base"].values
    published = a["single_first_half"].sel(input="Glucose").values
    bounds = a["curve_first_order_interval"].sel(input="Glucose")[:, 0]
    honest = ((bounds[:, 1] - bounds[:, 0]) / 2).values
    factor = published[-1] / honest[-1]
    return Finding(
        topic="Intervals shrink with N",
        published=f"the width of the intervals goes to 0 as N grows from {sizes[0]} to {sizes[-1]:,}",
        measured=(
            f"half-width of S1 of Glucose: {published[0]:.3f} → {published[-1]:.4f} by the bootstrap, "
            f"{honest[0]:.3f} → {honest[-1]:.4f} from {int(a.attrs['replicates'])} independent scramblings"
        ),
        agreement="agrees",
        why="The published bootstrap takes the points of one quasi-random sequence for independent and leaves half of "
        f"the evaluations unused; at the largest N its interval is {factor:.1f} times as wide as ours.",
    )


def _hidden(a: xr.Dataset) -> Finding:
    local = _ranking(a["local_relative"][0])
    first = a["layer_first_order"][0]
    top = _ranking(first)
    return Finding(
        topic="First hidden layer",
        published="“S1 of the first hidden layer”: BloodPressure and Insulin look large",
        measured=(
            f"the plotted numbers order {', '.join(local[:4])}; the Sobol' index of that layer gives "
            f"{top[0]} {float(first.sel(input=top[0])):.2f}, {top[1]} {float(first.sel(input=top[1])):.3f}"
        ),
        agreement="differs",
        why="The plotted number is no Sobol' index: it is the mean change of the layer when a feature grows by 1 % of "
        "its own value, taken before batch norm. It equals 0.01 · mean|x| · ‖W‖ and depends on each feature's unit and "
        "zero.",
    )


def _leading(a: xr.Dataset) -> Finding:
    own = a["training_accuracy"].sel(training="leading 4", part="test").values
    full = a["training_accuracy"].sel(training="all 8", part="test").values
    close = abs(own.mean() - 0.80) < 0.015
    return Finding(
        topic="Four leading features",
        published="about 80 % on test rows, close to all features",
        measured=f"{own.mean():.1%} over {len(own)} seeds, from {own.min():.1%} to {own.max():.1%} "
        f"(all eight features: {full.mean():.1%})",
        agreement="agrees" if close else "differs",
    )


def _trailing(a: xr.Dataset) -> Finding:
    own = a["training_accuracy"].sel(training="trailing 4", part="test").values
    rule = float(a["majority"].sel(part="test"))
    agreement: Agreement = "partly" if abs(own.mean() - 0.69) < 0.025 else "differs"
    verb = "no better than" if own.mean() <= rule + 0.01 else "above"
    return Finding(
        topic="Four trailing features",
        published="about 69 % on test rows: “less significant” information",
        measured=f"{own.mean():.1%} over {len(own)} seeds; always answering “no diabetes” gives {rule:.1%}",
        agreement=agreement,
        why=f"On average it is {verb} the majority rule, which the text does not mention: these four features alone "
        "give the network next to nothing that holds on the test rows.",
    )


def _same_settings(a: xr.Dataset) -> Finding:
    clean = a["training_accuracy"].sel(training="trailing 4", part="test").mean().item()
    leaked = a["training_accuracy_leaked"].sel(training="trailing 4", part="test").mean().item()
    return Finding(
        topic="Retraining with “the original parameters”",
        published="only the features were changed",
        measured=f"2,500 steps instead of 2,000 and a drop of the learning rate; trailing features {clean:.1%} without "
        f"the leak, {leaked:.1%} with it",
        agreement="differs",
        why="The script also runs the test rows through the network in training mode after every step, which mixes "
        "them into the running statistics of batch norm.",
    )


def _component_share(a: xr.Dataset) -> Finding:
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


def _component_order(a: xr.Dataset) -> Finding:
    weight = a["component_importance"].sel(rows="positives")
    top = _ranking(weight)[:4]
    shown = ", ".join(f"{n} {float(weight.sel(input=n)):.4f}" for n in top)
    same = set(top) == {"Glucose", "BMI", "Insulin", "BloodPressure"}
    return Finding(
        topic="Leading features by components",
        published="Glucose, BMI, Insulin and BloodPressure",
        measured=shown,
        agreement="partly" if same else "differs",
        why="The same four, in another order: they differ by a fortieth, and the sum of absolute loadings of four "
        "components is no measure of influence on the diagnosis.",
    )


def _ranges(a: xr.Dataset) -> Finding:
    total = a["rule_total_order"]
    ranks = {str(r): _ranking(total.sel(rule=r)) for r in total["rule"].values}
    same = len({tuple(r[:4]) for r in ranks.values()}) == 1
    shown = "; ".join(f"{_RULE_WORDS[r]}: {', '.join(names[:4])}" for r, names in ranks.items())
    return Finding(
        topic="The ranges decide",
        published="ranges from the smallest to the largest value, not discussed",
        measured=shown,
        agreement="partly",
        why="The order is the same under all three."
        if same
        else "Ranges that leave the extremes or the zeros out give "
        "another order of the same network's features: a ranking belongs to a network and its ranges.",
    )


def _seeds(a: xr.Dataset) -> Finding:
    total = a["seed_total_order"]
    ranks = [_ranking(total[k]) for k in range(total.sizes["seed"])]
    leaders = _alike(a)
    first = sum(r[0] == "Glucose" for r in ranks)
    mean = total.mean("seed")
    average = ", ".join(f"{k} {float(mean.sel(input=k)):.2f}" for k in _ranking(mean)[:4])
    n = len(ranks)
    return Finding(
        topic="One network or the data",
        published="one network, one seed",
        measured=f"by total index Glucose is first in {first} of {n} networks; {', '.join(LEADERS)} are the first "
        f"three in {leaders} of {n}; on average {average}",
        agreement="agrees" if leaders == n else "differs" if leaders < n / 2 else "partly",
        why="The same recipe from other seeds gives networks of the same accuracy with other indices: a ranking from "
        "one network says what that network does. Only what holds for all of them may be said of the data.",
    )


def _alike(a: xr.Dataset) -> int:
    """Number of trained networks in which the published leaders are the first three by total index."""
    total = a["seed_total_order"]
    return sum(set(_ranking(total[k])[:3]) == set(LEADERS) for k in range(total.sizes["seed"]))


_RULE_WORDS: Final = {"range": "smallest to largest", "quantiles": "5 % to 95 % quantile", "nonzero": "without zeros"}


def _ranking(values: xr.DataArray) -> list[str]:
    order = np.argsort(-np.asarray(values.values, float), kind="stable")
    return [str(values["input"].values[i]) for i in order]


def _text(values: xr.DataArray, name: str) -> str:
    return f"{float(values.sel(input=name)):.3f}"


def _find(findings: Sequence[Finding], topic: str) -> Any:
    return next(f for f in findings if f.topic == topic)
