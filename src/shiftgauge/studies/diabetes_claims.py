"""Claims of the diabetes publication about its network: accuracy, indices, intervals, hidden layer, ranges, seeds.

Every verdict follows from the arrays by the rule that its function states.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.study import Agreement, Finding

LEADERS: Final = ("Glucose", "BMI", "Age")
_PRINTED: Final = {"train": 0.779, "test": 0.825}
_ROUNDING: Final = 0.001
_CLOSE: Final = 0.05
_RULE_WORDS: Final = {"range": "smallest to largest", "quantiles": "5 % to 95 % quantile", "nonzero": "without zeros"}


def accuracy(a: xr.Dataset) -> Finding:
    """Agrees if both figures come out, in part if each is within a standard error of its rows, differs else."""
    found = {p: float(a["accuracy"].sel(part=p)) for p in _PRINTED}
    b_train, b_test = (float(a["accuracy_batch"].sel(part=p)) for p in _PRINTED)
    error = {p: np.sqrt(v * (1 - v) / float(a["part_size"].sel(part=p))) for p, v in found.items()}
    gap = {p: abs(found[p] - v) for p, v in _PRINTED.items()}
    exact = all(g <= _ROUNDING for g in gap.values())
    agreement: Agreement = "agrees" if exact else "partly" if all(gap[p] <= error[p] for p in gap) else "differs"
    own = a["training_accuracy"].sel(training="all 8", part="test").values
    seeds = f"{own.mean():.1%}" + (f" on average, from {own.min():.1%} to {own.max():.1%}" if len(own) > 1 else "")
    why = (
        f"One test set of {int(a['part_size'].sel(part='test'))} rows has a standard error of "
        f"{100 * error['test']:.1f} points; networks trained here from {len(own)} "
        f"seed{'s' * (len(own) > 1)} give {seeds}."
    )
    if not exact:
        why = (
            "The published weights do not give the printed figures. The script never switches batch norm to "
            f"evaluation, so its figure rests on the test rows' own statistics. {why}"
        )
    return Finding(
        topic="Accuracy of the network",
        published="77.9 % on training rows, 82.5 % on test rows",
        measured=f"{found['train']:.1%} and {found['test']:.1%} "
        f"(with batch norm left in training mode {b_train:.1%} and {b_test:.1%})",
        agreement=agreement,
        why=why,
    )


def leaders(a: xr.Dataset) -> Finding:
    """Agrees if the three lead by first and by total index, in part if by one of them, differs else."""
    first, total = a["first_order"][0], a["total_order"][0]
    ranks = {"first": ranking(first), "total": ranking(total)}
    held = [set(r[:3]) == set(LEADERS) for r in ranks.values()]
    why, (third, fourth) = "", ranks["total"][2:4]
    if not all(held):
        why = "; ".join(f"by {kind} index {', '.join(r[:3])} lead" for kind, r in ranks.items())
        why = f"{why[0].upper()}{why[1:]}."
    elif float(total.sel(input=third)) - float(total.sel(input=fourth)) < _CLOSE:
        alone, whole = float(first.sel(input=fourth)), float(total.sel(input=fourth))
        why = f"{fourth} follows closely by total index; {1 - alone / whole:.0%} of it is together with other features."
    return Finding(
        topic="Leading features",
        published="Glucose, BMI and Age influence the output most",
        measured=f"total indices: {', '.join(f'{n} {float(total.sel(input=n)):.3f}' for n in ranks['total'][:4])}",
        agreement="agrees" if all(held) else "partly" if any(held) else "differs",
        why=why,
    )


def pairs(a: xr.Dataset) -> Finding:
    """Agrees if no estimate is negative, so that nothing was cut; differs if no interval lies above 0, else in part."""
    second, bounds = a["second_order"][0].values, a["second_order_interval"][0].values
    names = [str(n) for n in a["input"].values]
    i, j = np.triu_indices(len(names), 1)
    values, order = second[i, j], np.argsort(-second[i, j])[:2]
    shown = ", ".join(f"{names[i[k]]} × {names[j[k]]} {values[k]:.3f}" for k in order)
    negative, real = int((values < 0).sum()), int((bounds[i, j][:, 0] > 0).sum())
    cut = float(-values[values < 0].sum())
    why = "" if real else "No interval lies above 0: the map shows noise. "
    if negative:
        why += (
            f"A negative estimate is a small index with its noise; setting all to 0 would raise their sum by {cut:.2g}"
            ". Here estimates stay as they are and stand beside their intervals."
        )
    return Finding(
        topic="Second-order indices",
        published="a heat map in which negative values are set to 0",
        measured=f"largest: {shown}; the intervals of {real} of {len(i)} pairs lie above 0, {negative} estimates below",
        agreement="differs" if not real else "partly" if negative else "agrees",
        why=why.strip(),
    )


def convergence(a: xr.Dataset) -> Finding:
    """Compares exponents p in width ~ N^-p: agrees if both ≥ ¼ (the root law is ½), in part if both > 0, differs else.

    Args:
        a: The arrays, with two sizes N at least.
    """
    sizes = a["n_base"].values
    published = a["single_first_half"].sel(input="Glucose").values
    bounds = a["curve_first_order_interval"].sel(input="Glucose")[:, 0]
    honest = ((bounds[:, 1] - bounds[:, 0]) / 2).values
    power = [float(np.log(w[0] / w[-1]) / np.log(sizes[-1] / sizes[0])) for w in (published, honest)]
    d, factor = a.sizes["input"], published[-1] / honest[-1]
    return Finding(
        topic="Intervals shrink with N",
        published=f"the width of the intervals goes to 0 as N grows from {sizes[0]} to {sizes[-1]:,}",
        measured=(
            f"half-width of S1 of Glucose: {published[0]:.3f} → {published[-1]:.4f} by the bootstrap, "
            f"{honest[0]:.3f} → {honest[-1]:.4f} from {int(a.attrs['replicates'])} independent scramblings"
        ),
        agreement="agrees" if min(power) >= 0.25 else "partly" if min(power) > 0 else "differs",
        why=f"They fall like N to the power of {-power[0]:.2f} and {-power[1]:.2f}. The published bootstrap takes the "
        f"points of one quasi-random sequence for independent, and its S1 and ST use {d + 2} of the {2 * d + 2} "
        f"evaluations at each point (S2 uses the others too); at the largest N its interval is {factor:.1f} times as "
        "wide as ours.",
    )


def hidden(a: xr.Dataset) -> Finding:
    """Agrees if the plotted numbers are the layer's Sobol' indices, in part if only their two leaders are the same."""
    local, first = a["local_relative"][0], a["layer_first_order"][0]
    plotted, top = ranking(local), ranking(first)
    same = bool(np.abs(local.values - first.values).max() < _CLOSE)
    agreement: Agreement = "agrees" if same else "partly" if set(top[:2]) == {"BloodPressure", "Insulin"} else "differs"
    why = ""
    if not same:
        why = (
            "The plotted number is no Sobol' index: it is the mean change of the layer when a feature grows by 1 % of "
            "its own value, taken before batch norm."
        )
        if np.allclose(local, a["local_relative_closed"], rtol=1e-4, atol=1e-9):
            why += " It equals 0.01 · mean|x| · ‖W‖ and depends on each feature's unit and zero."
    return Finding(
        topic="First hidden layer",
        published="“S1 of the first hidden layer”: BloodPressure and Insulin look large",
        measured=(
            f"the plotted numbers order {', '.join(plotted[:4])}; the Sobol' index of that layer gives "
            f"{top[0]} {float(first.sel(input=top[0])):.2f}, {top[1]} {float(first.sel(input=top[1])):.3f}"
        ),
        agreement=agreement,
        why=why,
    )


def ranges(a: xr.Dataset) -> Finding:
    """Agrees if the first four come in one order under all rules, in part if the first is the same, differs else."""
    total = a["rule_total_order"]
    ranks = {str(r): ranking(total.sel(rule=r))[:4] for r in total["rule"].values}
    orders, firsts = {tuple(r) for r in ranks.values()}, {r[0] for r in ranks.values()}
    shown = "; ".join(f"{_RULE_WORDS[r]}: {', '.join(names)}" for r, names in ranks.items())
    agreement: Agreement = "agrees" if len(orders) == 1 else "partly" if len(firsts) == 1 else "differs"
    other = [_RULE_WORDS[r] for r, names in ranks.items() if names != ranks["range"]]
    same = "The order of the first four is the same under all rules."
    changed = (
        f"Under another rule ({', '.join(other)}) the same network's features come in another order: a ranking belongs "
        "to a network and its ranges."
    )
    return Finding(
        topic="The ranges decide",
        published="ranges from the smallest to the largest value, not discussed",
        measured=shown,
        agreement=agreement,
        why=same if len(orders) == 1 else changed,
    )


def seeds(a: xr.Dataset) -> Finding:
    """Agrees if the three lead in every trained network, differs if in less than half of them, else in part."""
    total = a["seed_total_order"]
    n, leading = total.sizes["seed"], alike(a)
    first = sum(ranking(total[k])[0] == "Glucose" for k in range(n))
    mean = total.mean("seed")
    average = ", ".join(f"{k} {float(mean.sel(input=k)):.2f}" for k in ranking(mean)[:4])
    own = a["training_accuracy"].sel(training="all 8", part="test").values
    why = (
        f"The same recipe from other seeds gives networks of {own.min():.1%} to {own.max():.1%} on the test rows with "
        "other indices: a ranking from one network says what that network does. Only what holds for all of them may be "
        "said of the data."
    )
    return Finding(
        topic="One network or the data",
        published="one network, one seed",
        measured=f"by total index Glucose is first in {first} of {n} networks; {', '.join(LEADERS)} are the first "
        f"three in {leading} of {n}; on average {average}",
        agreement="agrees" if leading == n else "differs" if leading < n / 2 else "partly",
        why="" if leading == n else why,
    )


def alike(a: xr.Dataset) -> int:
    """Number of trained networks in which the published leaders are the first three by total index."""
    total = a["seed_total_order"]
    return sum(set(ranking(total[k])[:3]) == set(LEADERS) for k in range(total.sizes["seed"]))


def ranking(values: xr.DataArray) -> list[str]:
    """Names of the inputs by falling value."""
    order = np.argsort(-np.asarray(values.values, float), kind="stable")
    return [str(values["input"].values[i]) for i in order]
