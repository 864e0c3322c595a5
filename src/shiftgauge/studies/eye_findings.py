"""Claims of the eye-state publication, each judged by what was measured; headline and cautions.

Differences between networks are judged on the same folds by the corrected resampled t-test, what a transfer attack
overstates and what hardening keeps on the same images with persons drawn anew. An interval that holds 0 cannot tell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding, without_verdicts
from shiftgauge.studies.claims import Bounds, quick_headline, shown, signed
from shiftgauge.studies.eye_attacks import FGSM_NAME, PGD_NAME
from shiftgauge.studies.eye_copies import CONTRASTS
from shiftgauge.studies.eye_models import CNN, CNN_PARSEVAL, HELPS, SCALED, UNSCALED, WIDE, WIDE_FGSM, WIDE_PGD
from shiftgauge.studies.eye_numbers import (
    accuracy_of,
    contrast_of,
    db,
    judged,
    p_of,
    pair_of,
    ratio_of,
    score_of,
    where_sure,
)
from shiftgauge.studies.eye_published import BASELINE, FGSM_COPIES, NOISE_COPIES, TABLE_8, TABLE_10
from shiftgauge.studies.eye_recipe import LOUD

_BEYOND_CLEAN, _BEYOND_STEPS, _BEYOND_NOISE = list(CONTRASTS)[:3]
_BEYOND_NONE = "FGSM copies less no copies"
_TIGHT = 1.05
_PUBLISHED_HELP = {
    WIDE: f"clean {TABLE_8.accuracy['Parseval'][0]:.3f} against {TABLE_8.accuracy['ResNet'][0]:.3f}, at 33 dB "
    f"{TABLE_8.accuracy['Parseval'][-1]:.3f} against {TABLE_8.accuracy['ResNet'][-1]:.3f} (FGSM)",
    CNN: f"clean {TABLE_10.accuracy['Parseval_OC'][0]:.3f} against {TABLE_10.accuracy['CNN'][0]:.3f}, at 33 dB "
    f"{TABLE_10.accuracy['Parseval_OC'][-1]:.3f} against {TABLE_10.accuracy['CNN'][-1]:.3f} (FGSM made on the CNN)",
}


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """All claims that the arrays can judge; a quick run judges none."""
    found = [
        clean_accuracy(a),
        copies_help(a),
        better_than_noise(a),
        really_white_box(a),
        *(parseval_helps(a, first, second) for first, second in HELPS),
        *(hardening_keeps(a, model) for model in (WIDE_FGSM, WIDE_PGD)),
        stable_order(a),
        tight_layers(a),
        certified(a),
    ]
    told = tuple(f if f.agreement == "fact" else _of_these_crops(a, f) for f in found)
    return without_verdicts(told) if a.attrs["quick"] else told


def _of_these_crops(a: xr.Dataset, finding: Finding) -> Finding:
    """A verdict on other crops or of a smaller training, which says so."""
    if finding.agreement == "unclear":
        return finding
    whose = f"The verdict is about {a.attrs['data_name']} and {a.attrs['recipe_text']}. "
    return replace(finding, why=whose + finding.why)


def clean_accuracy(a: xr.Dataset) -> Finding:
    """A fact: what the plain network does on crops of persons that it was not trained on."""
    whom = "unseen persons" if a.attrs["by_person"] else "unseen crops"
    return Finding(
        topic="Clean accuracy of the wide residual network",
        published=f"{BASELINE:.3f} on four classes, divided by image",
        measured=f"{shown(score_of(a, WIDE))} on {a.attrs['n_classes']} classes, of {whom}",
        agreement="fact",
        why="The published division has crops of every person on both sides.",
    )


def copies_help(a: xr.Dataset) -> Finding:
    """Whether adversarial copies raise clean accuracy beyond clean copies and beyond more steps."""
    gaps = [contrast_of(a, name) for name in (_BEYOND_CLEAN, _BEYOND_STEPS)]
    chances = [p_of(a, name) for name in (_BEYOND_CLEAN, _BEYOND_STEPS)]
    return Finding(
        topic="Adversarial copies raise clean accuracy",
        published=f"from {BASELINE:.3f} to {FGSM_COPIES.mean():.3f}, the mean of 20 cells, against no copies at all",
        measured=f"beyond as many clean copies {signed(gaps[0], 4)} (p {chances[0]:.2g}), beyond as many steps "
        f"{signed(gaps[1], 4)} (p {chances[1]:.2g}); against no copies {signed(contrast_of(a, _BEYOND_NONE), 4)}",
        agreement=judged(gaps),
        why="Copies mean more steps of training. What the copies are is judged against clean ones of the same images "
        "in the same batches, and against as many steps without any; it needs both.",
    )


def better_than_noise(a: xr.Dataset) -> Finding:
    """Whether adversarial copies are worth more than noisy ones of the same ε."""
    gap = contrast_of(a, _BEYOND_NOISE)
    return Finding(
        topic="Adversarial copies are better than noisy ones",
        published=f"FGSM {FGSM_COPIES.mean():.4f}, noise {NOISE_COPIES.mean():.4f} in the mean; noise is as good or "
        f"better in {int((NOISE_COPIES >= FGSM_COPIES).sum())} of 20 cells",
        measured=f"FGSM less noise {signed(gap, 4)} (p {p_of(a, _BEYOND_NOISE):.2g})",
        agreement=judged([gap]),
        why="Both are of the same images at the same ε; noise is the quieter one by 4.8 dB.",
    )


def really_white_box(a: xr.Dataset) -> Finding:
    """Whether images made on the plain network say what an attack on the hardened network itself would."""
    gaps = [accuracy_of(a, WIDE_FGSM, attack, LOUD, "overstated") for attack in (FGSM_NAME, PGD_NAME)]
    verdict: Agreement = {"agrees": "differs", "differs": "unclear"}.get(judged(gaps), "unclear")  # type: ignore[assignment]
    return Finding(
        topic="Robustness of adversarially trained networks is measured white-box",
        published=f"{TABLE_8.accuracy['ResNet-ADV'][-1]:.3f} at 33 dB, called white-box; the images were made on the "
        "plain network",
        measured=f"{WIDE_FGSM} at {db(a, FGSM_NAME, LOUD)}: the transfer overstates accuracy by {signed(gaps[0])} "
        f"under FGSM, {signed(gaps[1])} under PGD",
        agreement=verdict,
        why="White-box is an attack by the gradients of the network itself; the difference is on the same images.",
    )


def parseval_helps(a: xr.Dataset, first: str, second: str) -> Finding:
    """Whether the constraint helps against PGD on the network itself, and at what ratios."""
    gap, clean = (pair_of(a, first, second, PGD_NAME, at) for at in (LOUD, 0.0))
    better, worse = where_sure(a, first, second, PGD_NAME)
    told = f"surely better at {', '.join(better) or 'none of the ratios'}; surely worse at {', '.join(worse) or 'none'}"
    beside = f" {_beside(a, first)}" if first in (SCALED, CNN_PARSEVAL) else ""
    return Finding(
        topic=f"The Parseval constraint helps: {first}",
        published=_PUBLISHED_HELP[second],
        measured=f"less {second} at {db(a, PGD_NAME, LOUD)} under PGD {signed(gap)}, "
        f"clean {signed(clean)}; {told}.{beside}",
        agreement=judged([gap]),
        why="Each network is attacked on itself, on the same folds; judged at the loudest of the published ratios.",
    )


def _beside(a: xr.Dataset, model: str) -> str:
    """How far it is from the networks trained otherwise."""
    others = {SCALED: (WIDE_FGSM, WIDE_PGD), CNN_PARSEVAL: ("CNN, weight decay", "CNN, weight decay, FGSM-trained")}
    parts = [f"less {other} {signed(pair_of(a, model, other, PGD_NAME, LOUD))}" for other in others[model]]
    return f"There {', '.join(parts)}."


def hardening_keeps(a: xr.Dataset, model: str) -> Finding:
    """Whether an adversarially trained network loses at most a third of what the plain one loses under PGD."""
    ratio = ratio_of(a, model)
    part = (
        "where the plain one loses nothing"
        if np.isnan(ratio[0])
        else f"it loses {shown(ratio)} of what the plain one loses"
    )
    table = TABLE_8.accuracy
    before, after = (table[name][0] - table[name][-1] for name in ("ResNet-ADV", "ResNet"))
    flipped: dict[Agreement, Agreement] = {"agrees": "differs", "differs": "agrees"}
    verdict = judged([ratio], 1 / 3)
    return Finding(
        topic=f"Adversarial training keeps most of it: {model}",
        published=f"loses {before:.3f} at 33 dB where the plain network loses {after:.3f}, {before / after:.2f} of it "
        "(by a transfer attack)",
        measured=f"under white-box PGD at {db(a, PGD_NAME, LOUD)} {part}; "
        f"accuracy {shown(accuracy_of(a, model, PGD_NAME, LOUD))} against "
        f"{shown(accuracy_of(a, WIDE, PGD_NAME, LOUD))}",
        agreement=flipped.get(verdict, verdict),
        why="Agrees where it surely loses at most a third as much; persons are drawn anew, the networks stay.",
    )


def stable_order(a: xr.Dataset) -> Finding:
    """Whether the published order of the networks comes back."""
    names = a["order"].values.tolist()
    same, kept = a["order_same"].values, a["order_kept"].values
    judged_at = [k for k, name in enumerate(names) if name.endswith(("clean", "as published"))]
    verdict: Agreement = "unclear"
    if min(same[judged_at]) >= 0.95:
        verdict = "agrees"
    elif max(same[judged_at]) <= 0.05:
        verdict = "differs"
    parts = [f"{name} {same[k]:.0%} (our own order {kept[k]:.0%})" for k, name in enumerate(names)]
    return Finding(
        topic="The order of the networks is stable",
        published=f"clean {a['order_published'].values[0]}; the second round and the validation accuracies have others",
        measured=f"share of draws of folds in which the published order is found: {'; '.join(parts)}",
        agreement=verdict,
        why="Folds are drawn anew with replacement. Judged on clean crops and under the published attack, for both "
        "families.",
    )


def tight_layers(a: xr.Dataset) -> Finding:
    """Whether tight kernels make layers that do not enlarge."""
    tight = a["layer_constrained"].sel(bounded=UNSCALED) > 0
    values = a["layer_largest"].sel(bounded=UNSCALED).where(tight)
    norm = float(a["layer_norm"].sel(bounded=UNSCALED).where(tight).max())
    right = float(a["layer_norm"].sel(bounded=SCALED).where(a["layer_constrained"].sel(bounded=SCALED) > 0).max())
    return Finding(
        topic="Kernels near tight frames make layers that do not enlarge",
        published="singular values of the flattened kernels 0.987 to 1.004; norms of the convolutions up to 3.01",
        measured=f"{UNSCALED}: largest singular value {float(values.max()):.3f}, largest norm of a convolution "
        f"{norm:.2f}; {SCALED}: {right:.3f}",
        agreement="differs" if norm > _TIGHT else "agrees",
        why="The flattened kernel says nothing of how windows overlap; a 3 × 3 convolution can enlarge by up to 3.",
    )


def certified(a: xr.Dataset) -> Finding:
    """A fact: the bound of the whole network, and the accuracy that no change at a ratio can take."""
    bounds = {name: a["lipschitz"].sel(bounded=name).values for name in (SCALED, UNSCALED, WIDE)}
    told = "; ".join(f"{n} {np.min(v):.3g} to {np.max(v):.3g}" for n, v in bounds.items())
    shares = a["certified"].sel(bounded=SCALED)
    at = ", ".join(f"{float(shares.sel(ratio=r)):.3f} at {r:g} dB" for r in (60.0, 50.0, 40.0))
    return Finding(
        topic="A certified Lipschitz bound",
        published="none",
        measured=f"between folds, in L2 of the standardised crop: {told}. Certified accuracy of {SCALED}: {at}",
        agreement="fact",
        why="No L∞ attack at that ratio or a quieter one can leave less, nor any other change of the same L2 length.",
    )


def headline(a: xr.Dataset) -> str:
    """The outcome in plain sentences; of a quick run that it is no result."""
    gap, chance = contrast_of(a, _BEYOND_CLEAN), p_of(a, _BEYOND_CLEAN)
    verb = "raises" if gap[1] > 0 else "lowers" if gap[2] < 0 else "does not surely change"
    ratio, at = ratio_of(a, WIDE_PGD), db(a, PGD_NAME, LOUD)
    helped = [f"{f} {compared(pair_of(a, f, s, PGD_NAME, LOUD), s)}" for f, s in HELPS]
    lost = "nothing is lost by the plain network"
    if np.isfinite(ratio[0]):
        lost = f"the PGD-trained network loses there {shown(ratio, 2)} of what the plain one loses"
    text = (
        f"Adding adversarial copies {verb} clean accuracy beyond as many clean copies: {signed(gap, 4)} "
        f"(p {chance:.2g}). Under PGD at {at}, each network attacked on itself: {'; '.join(helped)}; {lost}. "
        f"The published order on clean crops is found in {float(a['order_same'].values[0]):.0%} of draws of folds."
    )
    return quick_headline(text) if a.attrs["quick"] else text


def compared(gap: Bounds, other: str) -> str:
    """By how much a network is better or worse than another, or that it cannot be told.

    Example:
        >>> compared((0.1, 0.05, 0.15), "WRN")
        'is better than WRN by +0.100 [+0.050, +0.150]'
    """
    word = (
        "is better than" if gap[1] > 0 else "is worse than" if gap[2] < 0 else "is neither surely better nor worse than"
    )
    return f"{word} {other} by {signed(gap)}"


def messages(a: xr.Dataset, notes: tuple[str, ...]) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    found = []
    if a.attrs["quick"]:
        text = f"A quick run on a few crops: {a.attrs['recipe_text']}. It shows that everything runs and no more"
        found.append(Message(level="alarm", code="quick", text=text))
    if not a.attrs["by_person"]:
        text = "The crops name no persons: those of one person are on both sides of every fold, and accuracies too high"
        found.append(Message(level="alarm", code="no_persons", text=text))
    if not a.attrs["published_recipe"]:
        found.append(
            Message(level="caution", code="own_recipe", text=f"Not the published recipe: {a.attrs['recipe_text']}")
        )
    text = (
        "Intervals over persons hold the networks fixed; those over folds know other trainings as far as folds differ, "
        "by an approximation. An accuracy under an attack is an upper bound: a stronger attack may find more"
    )
    found.append(Message(level="caution", code="intervals", text=text))
    found += [Message(level="info", code="split", text=f"{n[0].upper()}{n[1:].rstrip('.')}") for n in notes]
    return tuple(found)
