"""What to know before relying on robust accuracies: signs that gradients are masked, weak attacks, few images.

A model that hides its gradients looks robust to attacks that follow them. The signs are those of Athalye et al. and
Carlini et al.: gradients that are 0, an iterated attack weaker than a single step, noise, a gradient-free or a
transferred attack stronger than the white-box one by gradients, an accuracy that rises with the budget. Each is told
only where the interval of the paired difference excludes chance, wide enough for all comparisons that could have shown
the sign (Bonferroni).

References:
    Athalye, A.; Carlini, N.; Wagner, D. (2018). Obfuscated gradients give a false sense of security. arXiv:1802.00420
    Carlini, N. et al. (2019). On evaluating adversarial robustness. arXiv:1902.06705
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.report.format import number, percent
from shiftgauge.results.status import LEVELS, Message
from shiftgauge.studies.attack_arrays import Intervals, Row
from shiftgauge.studies.attack_headline import loudness
from shiftgauge.studies.attack_options import AttackOptions
from shiftgauge.studies.data_messages import data_messages

_FEW: Final = 100
"""Images below which intervals are wide."""
_SINGLE: Final = ("fgsm",)
_ITERATED: Final = ("bim", "pgd", "momentum_fgsm", "apgd")
_FREE: Final = ("square",)
_BEYOND: Final = "so that its accuracy under attack is overstated"


def find_attack_messages(
    arrays: xr.Dataset,
    rows: Sequence[Row],
    options: AttackOptions,
    intervals: Intervals,
    notes: Sequence[str],
    told: Sequence[Message] = (),
) -> tuple[Message, ...]:
    """Findings about trust, most serious first.

    Args:
        arrays: Of the result.
        rows: Its rows.
        options: What was asked.
        intervals: How intervals are taken.
        notes: Of the data set.
        told: What the attacks say of themselves.
    """
    found = [
        *data_messages(notes),
        *(m for m in told if m.code != "zero_gradient"),
        *_masking(arrays, rows, options, intervals),
        *_transfer(arrays, intervals),
    ]
    found += [*_flat(rows), *_about_attacks(options), *_about_images(arrays, options), *_about_clean(arrays)]
    return tuple(sorted(found, key=lambda m: -LEVELS.index(m.level)))


def _masking(
    arrays: xr.Dataset, rows: Sequence[Row], options: AttackOptions, intervals: Intervals
) -> Iterator[Message]:
    """Attacks that ought to be weaker and are stronger, at each budget of each model; of each kind the worst."""
    of = {(row.model, row.way, row.asked): row for row in rows if row.kind != "shift"}
    single, iterated, free = (_ways(options, names) for names in (_SINGLE, _ITERATED, _FREE))
    noise = [name for name, attack in options.attacks.items() if attack.is_noise]
    by_gradient = [*single, *iterated]
    checks = (
        ("iterated_weaker", single, iterated, "follows gradients once and fools more than", "which goes on from there"),
        ("gradient_free_stronger", free, by_gradient, "needs no gradients and fools more than", "which follows them"),
        ("noise_stronger", noise, by_gradient, "knows nothing of the network and fools more than", "made for it"),
    )
    for code, weak, strong, what, which in checks:
        models = list(map(str, arrays["model"].values))
        known = [
            (model, w, s, at) for model in models for w in weak for s in strong for at in options.asked
            if (model, w, at) in of and (model, s, at) in of and not _louder(of[model, w, at], of[model, s, at])
        ]  # fmt: skip
        pairs = [
            intervals.paired(of[model, s, at].right, of[model, w, at].right, of=len(known)) for model, w, s, at in known
        ]
        worst = int(np.argmax([pair.low for pair in pairs])) if pairs else -1
        if pairs and pairs[worst].low > 0:
            gap, (model, w, s, at) = pairs[worst].difference, known[worst]
            text = (
                f"At {loudness(arrays, at)}, “{w}” {what} “{s}”, {which}, by {percent(gap)} of the images "
                f"(“{model}”): a sign that the model masks its gradients, {_BEYOND}; try more steps and restarts, "
                "`apgd` and `square`."
            )
            yield Message(level="alarm", code=code, text=text)
    yield from _rising(arrays, of, by_gradient, options, intervals)


def _louder(one: Row, other: Row) -> bool:
    """Whether one is a noise louder than the other by more than rounding, so that it may well do more.

    Noise that is asked for in dB may leave the ball. Two attacks have one ball: what the quieter one leaves of it
    unused is its own doing.
    """
    return one.kind == "noise" and bool(one.set_snr < other.set_snr - 0.5)


def _rising(
    arrays: xr.Dataset,
    of: Mapping[tuple[str, str, float], Row],
    ways: Iterable[str],
    options: AttackOptions,
    intervals: Intervals,
) -> Iterator[Message]:
    """An iterated attack that fools less although it may do more."""
    iterated, models = [way for way in ways if options.attacks[way].name in _ITERATED], arrays["model"].values
    steps, of_all = list(pairwise(options.asked)), len(iterated) * len(models) * max(1, len(options.asked) - 1)
    for way in iterated:
        for model in map(str, models):
            for quiet, loud in steps:
                pair = intervals.paired(of[model, way, loud].right, of[model, way, quiet].right, of=of_all)
                if pair.low > 0:
                    text = (
                        f"“{model}” is right more often at {loudness(arrays, loud)} than at {loudness(arrays, quiet)} "
                        f"under “{way}” (by {percent(pair.difference)} of the images), although every change of the "
                        "smaller budget is allowed in the larger one: the attack gets stuck; give it more steps and "
                        "restarts, or `success_only`."
                    )
                    yield Message(level="caution", code="accuracy_rises", text=text)
                    return


def _transfer(arrays: xr.Dataset, intervals: Intervals) -> list[Message]:
    """Images made on another model that fool more than those made on the model itself."""
    if "transfer_difference" not in arrays:
        return []
    high, right = arrays["transfer_difference_high"].values, arrays["transfer_right"].values > 0
    ways, budgets, models, _ = high.shape
    places = [tuple(map(int, place)) for place in np.argwhere(high < 0)]
    pairs = [
        intervals.paired(right[a, b, s, t], right[a, b, t, t], of=ways * budgets * models * (models - 1))
        for a, b, s, t in places
    ]
    worst = int(np.argmin([pair.high for pair in pairs])) if pairs else -1
    if not pairs or pairs[worst].high >= 0:
        return []
    (a, b, s, t), gap = places[worst], -pairs[worst].difference
    where = f"“{arrays['attack'].values[a]}” at {loudness(arrays, float(arrays['budget'].values[b]))}"
    target, source = arrays["target"].values[t], arrays["source"].values[s]
    text = (
        f"Images made on “{source}” fool “{target}” more often than those made on “{target}” itself, by "
        f"{percent(gap)} of the images ({where}): a sign that “{target}” masks its gradients, {_BEYOND}."
    )
    return [Message(level="alarm", code="transfer_stronger", text=text)]


def _flat(rows: Sequence[Row]) -> list[Message]:
    """Models whose gradients are 0 for some images."""
    worst = max((row for row in rows if row.zero_gradient), key=lambda row: row.zero_gradient, default=None)
    if worst is None:
        return []
    n = len(worst.right)
    text = (
        f"The gradient of “{worst.model}” is 0 for {worst.zero_gradient} of {n} images under “{worst.way}”: attacks by "
        "gradients cannot do anything to them, and they count as robust for this reason alone; try `square`, or the "
        "loss `margin`."
    )
    level = "alarm" if worst.zero_gradient > n / 20 else "caution"
    return [Message(level=level, code="zero_gradient", text=text)]


def _about_attacks(options: AttackOptions) -> list[Message]:
    found = []
    names = {options.attacks[name].name for name in options.adversarial}
    if names and names <= set(_SINGLE):
        text = (
            "Only a single-step attack was made, which overstates what a model withstands; add `pgd` or `apgd` before "
            "calling it robust."
        )
        found.append(Message(level="caution", code="single_step_only", text=text))
    if options.attacks and options.bounds is None:
        text = (
            "Attacked pixels may leave the range from 0 to 1 (`bounds` is not set, as published); a camera could not "
            "give such images. With `bounds: [0, 1]` they stay within."
        )
        found.append(Message(level="info", code="no_bounds", text=text))
    return found


def _about_images(arrays: xr.Dataset, options: AttackOptions) -> list[Message]:
    found, n, left = [], arrays.sizes["image"], int(arrays.attrs.get("images_in_data", 0)) - arrays.sizes["image"]
    if n < _FEW:
        text = f"Only {n} images were attacked: the intervals are wide; take some hundreds before comparing models."
        found.append(Message(level="caution", code="few_images", text=text))
    if left > 0:
        why = f"those of the class “{options.target}”, the target" if options.target else "drawn by the seed"
        if options.target and options.images is not None:
            why += ", and what `images` leaves out"
        text = f"{n} of the {n + left} images of the data were attacked ({why})."
        found.append(Message(level="info", code="images_left_out", text=text))
    if "image_group" in arrays:
        groups = len(set(map(str, arrays["image_group"].values)))
        text = f"Intervals are from resamples of whole groups: {groups} groups of {n} images."
        found.append(Message(level="info" if groups >= 20 else "caution", code="groups", text=text))
    return found


def _about_clean(arrays: xr.Dataset) -> list[Message]:
    """A model that is hardly right without any change has nothing to lose."""
    classes = max(1, int(arrays.attrs.get("n_classes", 1)))
    low = arrays["clean_accuracy_low"].values
    weak = [str(name) for name, value in zip(arrays["model"].values, low, strict=True) if value <= 1 / classes]
    if not weak:
        return []
    names = f"{' and '.join(f'“{name}”' for name in weak)} {'is' if len(weak) == 1 else 'are'}"
    text = (
        f"{names} not shown to be better than chance on the images as given ({number(100 / classes)} %): check the "
        "order of the classes and the preprocessing before anything else."
    )
    return [Message(level="alarm", code="chance", text=text)]


def _ways(options: AttackOptions, kinds: Sequence[str]) -> list[str]:
    return [name for name, attack in options.attacks.items() if attack.name in kinds]
