"""Blocks of the page of the eye-state study: tables of accuracies, copies, comparisons, orders, bounds, cost."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.format import duration, fixed, interval, number, percent
from shiftgauge.report.read import Estimate, estimate, pick, strings
from shiftgauge.results.study import StudyResult

_KINDS: Final = {"fgsm": "FGSM", "uniform_noise": "noise", "clean": "clean", "steps": "more steps"}


def at_text(result: StudyResult, attack: str, epsilon: float) -> str:
    """An ε with the ratio that it has here, such as `ε 0.022, 33.2 dB`."""
    a = strings(result.arrays, "attack").index(attack)
    ratio = float(pick(result.arrays, "snr", attack=a, epsilon=_place(result, epsilon)))
    return f"ε\u00a0{epsilon:g}, {fixed(ratio, 1)}\u00a0dB" if np.isfinite(ratio) else "clean"


def accuracy(result: StudyResult, model: str, attack: str, epsilon: float, side: str = "white") -> Estimate:
    """Accuracy under an attack, or what a transfer overstates it by, with its interval."""
    return estimate(result.arrays, side, model=model, attack=attack, epsilon=_place(result, epsilon))


def marked(result: StudyResult) -> list[float]:
    """ε of tables, 0 first."""
    return [0.0, *(float(e) for e in np.atleast_1d(result.arrays.attrs["marked"]))]


def cell(e: Estimate) -> str:
    """A value with its interval."""
    return f"{fixed(e.value)} {interval(e.low, e.high)}".strip()


def signed_cell(e: Estimate, decimals: int = 3) -> str:
    """A difference with its interval, each with its sign; a dash where there is none."""
    if not np.isfinite(e.value):
        return fixed(e.value)
    ends = f" [{_signed(e.low, decimals)}, {_signed(e.high, decimals)}]" if np.isfinite(e.low) else ""
    return f"{_signed(e.value, decimals)}{ends}"


def build_accuracies(result: StudyResult) -> list[dict[str, Any]]:
    """Returns for each attack a table of all networks at the ε of tables."""
    models, found = strings(result.arrays, "model"), []
    for attack in strings(result.arrays, "attack"):
        header = ["Network", *(at_text(result, attack, e) for e in marked(result))]
        rows = [[m, *(cell(accuracy(result, m, attack, e)) for e in marked(result))] for m in models]
        found.append({"label": attack, "header": header, "rows": rows})
    return found


def build_overstated(result: StudyResult) -> dict[str, Any]:
    """Returns white-box and transfer side by side at the loudest judged ε, with the difference."""
    data, loud = result.arrays, float(result.arrays.attrs["loud"])
    rows = []
    for k, model in enumerate(strings(data, "model")):
        source = str(pick(data, "model_source", model=k))
        if source == model:
            continue
        for attack in strings(data, "attack")[:2]:
            values = [accuracy(result, model, attack, loud, side) for side in ("transfer", "white")]
            gap = signed_cell(accuracy(result, model, attack, loud, "overstated"))
            rows.append([f"{model}, {attack}", source, *(cell(v) for v in values), gap])
    header = ["Network and attack", "Images made on", "Transfer", "White-box", "Transfer overstates by"]
    return {"header": header, "rows": rows}


def build_pairs(result: StudyResult) -> list[dict[str, Any]]:
    """Returns for FGSM and PGD the differences of pairs of networks on the same folds."""
    data, found = result.arrays, []
    for attack in strings(data, "attack")[:2]:
        header = ["First less second", *(at_text(result, attack, e) for e in marked(result))]
        rows = []
        for pair in strings(data, "pair"):
            where = {"pair": pair, "attack": attack}
            gaps = [estimate(data, "pair_difference", **where, epsilon=_place(result, e)) for e in marked(result)]
            rows.append([pair, *(signed_cell(g) for g in gaps)])
        found.append({"label": attack, "header": header, "rows": rows})
    return found


def build_losses(result: StudyResult) -> dict[str, Any]:
    """Returns what PGD takes from hardened networks over what it takes from the same without."""
    data, rows = result.arrays, []
    for k, model in enumerate(strings(data, "hardened")):
        lost, plain = (fixed(float(v)) for v in pick(data, "lost", hardened=k))
        against = str(pick(data, "hardened_plain", hardened=k))
        rows.append([model, against, lost, plain, cell(estimate(data, "loss_ratio", hardened=k))])
    return {"header": ["Network", "Against", "It loses", "The other loses", "Ratio"], "rows": rows}


def build_orders(result: StudyResult) -> dict[str, Any]:
    """Returns the published orders beside ours, and how often they are found."""
    data, rows = result.arrays, []
    for k, name in enumerate(strings(data, "order")):
        value = {key: pick(data, f"order_{key}", order=k) for key in ("published", "here", "kept", "same")}
        counts = {key: int(pick(data, f"order_{key}", order=k)) for key in ("sure", "against", "pairs")}
        shares = [percent(float(value[key]), 0) for key in ("same", "kept")]
        told = f"{counts['sure']} and {counts['against']} of {counts['pairs']}"
        rows.append([name, *shares, told, str(value["published"]), str(value["here"])])
    header = ["Where", "Published order found", "Own order kept", "Sure, against", "Published order", "Order here"]
    return {"header": header, "rows": rows}


def build_copies(result: StudyResult) -> dict[str, Any]:
    """Returns clean and attacked accuracy of every kind of copies: mean over folds and spread from fold to fold."""
    data = result.arrays
    grid = [float(e) for e in data["copy_epsilon"].values]
    rows = [["no copies", _spread(pick(data, "plain_fold")), *[""] * (2 * len(grid))]]
    for k, name in enumerate(strings(data, "copies")):
        attacked = [
            _spread(pick(data, f"copies_{way}", copies=k, copy_epsilon=j))
            for way in ("fgsm", "noise")
            for j in range(len(grid))
        ]
        rows.append([name, _spread(pick(data, "copies_clean", copies=k)), *attacked])
    header = ["Copies", "Clean", *(f"{way} ε\u00a0{e:g}" for way in ("FGSM", "noise") for e in grid)]
    return {"header": header, "rows": rows}


def build_contrasts(result: StudyResult) -> dict[str, Any]:
    """Returns differences of clean accuracy between kinds of copies, over all cells and in each."""
    data = result.arrays
    scopes = strings(data, "scope")
    main, each = [], []
    for name in strings(data, "contrast"):
        gaps = [estimate(data, "contrast_difference", contrast=name, scope=scope) for scope in scopes]
        chance = [float(pick(data, f"contrast_{p}", contrast=name, scope=scopes[0])) for p in ("p", "flip_p")]
        main.append([name, signed_cell(gaps[0], 4), *(number(p, 2) for p in chance)])
        each.append([name, *(signed_cell(g, 4) for g in gaps[1:])])
    return {
        "main": {"header": ["On the same folds", scopes[0].capitalize(), "p, t-test", "p, sign flips"], "rows": main},
        "each": {"header": ["On the same folds", *scopes[1:]], "rows": each},
    }


def build_published(result: StudyResult) -> list[dict[str, Any]]:
    """Returns each published table with our accuracies beside: attacked as published, and white-box by PGD."""
    data, found = result.arrays, []
    names = strings(data, "table_name")
    grid = [float(e) for e in data["epsilon"].values]
    for table in dict.fromkeys(names):
        rows = []
        for k in (k for k, name in enumerate(names) if name == table):
            epsilon, printed, ratio, value = (
                float(pick(data, f"table_{key}", entry=k)) for key in ("epsilon", "printed", "snr", "accuracy")
            )
            model, side = (str(pick(data, f"table_{key}", entry=k)) for key in ("model", "side"))
            here = [cell(accuracy(result, model, a, epsilon, s)) if epsilon in grid else "–"
                    for a, s in (("FGSM", side), ("FGSM", "white"), ("PGD", "white"))]  # fmt: skip
            wrong = f" (printed {printed:g})" if printed != epsilon else ""
            at = f"ε\u00a0{epsilon:g}{wrong}, {fixed(ratio, 2)}\u00a0dB" if epsilon else "clean"
            network = str(pick(data, "table_network", entry=k))
            rows.append([f"{network}, {at}", "transfer" if side == "transfer" else "white-box", fixed(value, 4), *here])
        header = ["Network", "Published attack is", "Published", "Here, the same", "Here, FGSM white-box",
                  "Here, PGD white-box"]  # fmt: skip
        found.append({"label": table, "header": header, "rows": rows})
    return found


def build_published_copies(result: StudyResult) -> list[dict[str, Any]]:
    """Returns published tables 6, 9 and 7, clean accuracies by ε and share."""
    data, found = result.arrays, []
    shares = [percent(float(s), 0) for s in data["published_share"].values]
    titles = {
        "fgsm": "Tables 6 and 9: FGSM copies, clean accuracy",
        "fgsm_attacked": "Tables 6 and 9: FGSM copies, accuracy under FGSM of the same ε",
        "noise": "Table 7: noisy copies, clean accuracy",
    }
    for key, title in titles.items():
        values = pick(data, f"published_{key}")
        rows = [
            [f"ε {float(e):g}", *(fixed(float(v), 4) for v in row)]
            for e, row in zip(data["published_epsilon"].values, values, strict=True)
        ]
        found.append({"label": title, "header": [title, *shares], "rows": rows})
    return found


def build_bounds(result: StudyResult) -> dict[str, Any]:
    """Returns bounds of whole networks with certified accuracy, and the layers of three networks."""
    data = result.arrays
    ratios = [float(r) for r in data["ratio"].values]
    rows, layers = [], []
    for name in strings(data, "bounded"):
        values = pick(data, "lipschitz", bounded=name)
        shares = [fixed(float(v)) for v in pick(data, "certified", bounded=name)]
        rows.append([name, f"{number(float(values.min()))} to {number(float(values.max()))}", *shares])
        own = []
        for layer in strings(data, "layer"):
            found = [float(pick(data, f"layer_{k}", bounded=name, layer=layer)) for k in
                     ("constrained", "smallest", "largest", "factor", "norm", "norm_bound")]  # fmt: skip
            if np.isfinite(found[2]):
                own.append([layer, "yes" if found[0] > 0 else "no", *(number(v, 4) for v in found[1:])])
        header = ["Layer", "Constrained", "Smallest", "Largest", "Factor", "Norm", "Norm, any size"]
        layers.append({"label": name, "header": header, "rows": own})
    header = ["Network", "Bound, least to largest fold", *(f"{r:g} dB" for r in ratios)]
    return {"bounds": {"header": header, "rows": rows}, "layers": layers}


def build_folds(result: StudyResult) -> dict[str, Any]:
    """Returns crops of each class and persons of every fold."""
    data = result.arrays
    names = strings(data, "class")
    rows = [
        [
            str(fold + 1),
            str(int(pick(data, "fold_units", fold=fold))),
            *(str(int(pick(data, "fold_count", **{"fold": fold, "class": name}))) for name in names),
            fixed(float(pick(data, "plain_fold", fold=fold))),
        ]
        for fold in range(data.sizes["fold"])
    ]
    plain = str(data.attrs["plain_model"])
    return {"header": ["Fold", "Units", *names, f"Clean accuracy of {plain}"], "rows": rows}


def build_study_cost(result: StudyResult) -> dict[str, Any]:
    """Returns trainings and time."""
    cost = result.cost
    facts = [
        ("Trainings", str(cost["trainings"])),
        ("Time that they took", duration(float(cost["trainings_seconds_in_all"]))),
        ("Of that in this call", duration(float(cost["training_seconds"]))),
        ("Time of attacks and measures", duration(float(cost["attack_seconds"]))),
        ("Time in all", duration(float(cost["seconds"]))),
        ("Run on", str(result.provenance.get("device", ""))),
    ]
    how = "What this call took, and what all trainings took; finished ones and measured attacks are read."
    return {"facts": facts, "trial": [], "how": how}


def _place(result: StudyResult, epsilon: float) -> int:
    return int(np.flatnonzero(np.isclose(result.arrays["epsilon"].values, epsilon))[0])


def _spread(values: np.ndarray) -> str:
    """Mean over folds, and the standard deviation from fold to fold."""
    known = np.asarray(values, float)
    return f"{fixed(float(known.mean()), 4)} ± {fixed(float(known.std(ddof=1)), 4)}"


def _signed(value: float, decimals: int) -> str:
    text = fixed(value, decimals)
    return text if text.startswith(("−", "–")) else f"+{text}"
