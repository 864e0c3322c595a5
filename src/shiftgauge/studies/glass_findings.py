"""Claims of the glass publication about its second task, each judged by what was measured; and the verdict.

Every agreement follows from the arrays by the rule that its function states. A gain holds when its interval lies above
0 and does not when the interval ends at 0 or below; of an interval that holds 0 it cannot be told. Intervals hold the
networks fixed, so that what two trainings differ by can be seen in part at most, whichever way it points.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.study import Agreement, Finding, without_verdicts
from shiftgauge.studies.claims import shown, signed
from shiftgauge.studies.glass_recipe import NO_DEFECT

RECIPE: Final = "the recipe"
ONCE: Final = "without averaging"
HALF_ROW: Final = "thresholds 0.5"
EXACT_ROW: Final = "thresholds of every score"
SMALLER: Final = "smaller input"
UNWEIGHTED: Final = "without class weights"
_MICRO: Final = 0.9584
_MACRO: Final = 0.8407
_CLOSE: Final = 0.02
_NO_MORE: Final = 0.002
"""An optimism of micro F1 below this is none to speak of."""
_UNTOLD: Final = "The interval holds 0: it cannot be told. "
_ONE_EACH: Final = (
    "One training each way: the interval holds both networks fixed, and another seed moves them too, so that this is "
    "in part at most. "
)


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """All claims that the arrays can judge.

    A quick run has no verdicts: whatever it measured is `unclear`.
    """
    found = [micro(a), claimed_on_test(a), thresholds(a), weights(a), resolution(a), averaging(a), consistent(a)]
    judged = tuple(f for f in found if f is not None)
    return without_verdicts(judged) if a.attrs["quick"] else judged


def micro(a: xr.Dataset) -> Finding:
    """Agrees if micro and macro F1 are within 0.02, so that the one speaks for all labels; differs else."""
    small, large = (score_of(a, "ablation", RECIPE, f) for f in ("macro F1", "micro F1"))
    gap = large[0] - small[0]
    weakest = weakest_label(a)
    return Finding(
        topic="Micro F1 speaks for the whole",
        published=f"micro F1 {_MICRO} as the one figure; the macro F1 of its own table, not printed, is {_MACRO}",
        measured=f"micro F1 {shown(large)}, macro F1 {shown(small)}, of the defects alone "
        f"{shown(score_of(a, 'ablation', RECIPE, 'macro F1 of defects'))}; {weakest} "
        f"{shown(score_of(a, 'ablation', RECIPE, weakest))}",
        agreement="agrees" if abs(gap) <= _CLOSE else "differs",
        why=f"Micro F1 counts decisions, and {_share(a, NO_DEFECT)} of the test images have no defect. "
        + ("Here the labels are about equally hard. " if abs(gap) <= _CLOSE else "")
        + _incomparable(a),
    )


def claimed_on_test(a: xr.Dataset) -> Finding | None:
    """By the optimism on halves: agrees if surely below 0.002, differs if surely above 0, else it cannot be told."""
    if "watch_score" not in a:
        return None
    names = a["watch"].values.tolist()
    honest, published = names[0], names[-1]
    parts = {name: difference_of(a, "watch", name, "micro F1")[0] for name in names[1:-1]}
    epoch = {name: int(a["watch_epoch"].sel(watch=name)) for name in (honest, published)}
    return Finding(
        topic="A score “on validation”",
        published="there is no validation part: thresholds and epoch are those with the largest micro F1 on test, and "
        "that F1 is reported",
        measured=f"{_halves(a, published, names[1])}; on all {int(a.attrs['n_test']):,}, chosen on validation "
        f"{shown(score_of(a, 'watch', honest, 'micro F1'))} (epoch {epoch[honest]}), as published "
        f"{shown(score_of(a, 'watch', published, 'micro F1'))} (epoch {epoch[published]}): "
        f"{_gap(difference_of(a, 'watch', published, 'micro F1'))}",
        agreement=_judge_optimism(optimism(a, published)),
        why="What a choice has on its own half and not on the other is luck, which the publication reports as skill; "
        "it grows with fewer images, with rarer labels and with more epochs to choose from. The difference on all test "
        "images (" + ", ".join(f"{name} {value:+.4f}" for name, value in parts.items()) + ") holds beside it that test "
        "images are more like each other than like validation. Here images are run once, as they are; the published "
        "score averages over flips.",
    )


def optimism(a: xr.Dataset, way: str) -> tuple[float, float, float] | None:
    """Micro F1 claimed beyond what is found on other images, with the bounds over divisions; None if not measured."""
    if "watch_optimism" not in a:
        return None
    where = {"chosen": way, "judged": "micro F1"}
    low, high = a["watch_optimism_interval"].sel(where).values.tolist()
    return float(a["watch_optimism"].sel(where)), low, high


def _halves(a: xr.Dataset, published: str, alone: str) -> str:
    luck = optimism(a, published)
    if luck is None:
        return "too few groups of test images to divide them"
    fresh = float(a["watch_half_fresh"].sel(chosen=published, judged="micro F1"))
    return (
        f"chosen on half of the test images, micro F1 is {fresh:.3f} on the other half and {_gap(luck)} more on its "
        f"own (thresholds alone {_gap(optimism(a, alone))})"
    )


def thresholds(a: xr.Dataset) -> Finding:
    """Agrees if thresholds from validation beat one half for sure, differs if surely not, else it cannot be told."""
    gap = _gain(a, HALF_ROW, "macro F1")
    exact = difference_of(a, "ablation", EXACT_ROW, "macro F1")
    chosen = ", ".join(f"{n} {t:.2f}" for n, t in zip(_labels(a), a["threshold"].values, strict=True))
    return Finding(
        topic="Thresholds for each label",
        published="a threshold for each label raises F1 (.50, .40, .35, .45)",
        measured=f"chosen on validation ({chosen}) against one half: macro F1 on test {_gap(gap)}",
        agreement=_judge(gap),
        why=f"{_doubt(gap)}Searching every score rather than a grid of 0.05 changes macro F1 by {_gap(exact)}. The "
        "published grid ends at 0.9; here it is 0.05 to 0.95, both included.",
    )


def weights(a: xr.Dataset) -> Finding | None:
    """In part at most, whatever the label that is rarest in training gains: one training each way.

    Of an interval that holds 0 it cannot be told.
    """
    if UNWEIGHTED not in a["ablation"].values:
        return None
    label, count = rarest_label(a)
    without = score_of(a, "ablation", UNWEIGHTED, label)
    gap, whole = _gain(a, UNWEIGHTED, label), _gain(a, UNWEIGHTED, "macro F1 of defects")
    return Finding(
        topic="Class weights lift the rare labels",
        published="“Stain” was below .60 before the weights and reached .7156",
        measured=f"{label}, with {count:,} training images the rarest, {shown(without)} without weights: weights "
        f"change its F1 by {_gap(gap)}, macro F1 of the defects by {_gap(whole)}",
        agreement=_judge_trainings(gap),
        why=f"{_ONE_EACH}{_doubt(gap)}The label is chosen by its training images, not by its score on test, which "
        f"would rise by itself. The weights here: {a.attrs['weights_text']}. They weigh the whole term of a label, "
        "present or absent. The publication calls its own pos_weight, but it multiplies positives and negatives "
        "alike, so it cannot trade recall against precision as a positive weight does; and thresholds chosen "
        "afterwards undo much of either.",
    )


def resolution(a: xr.Dataset) -> Finding | None:
    """In part at most, whatever the larger input gains: one training each way, and perhaps no new detail.

    Of an interval that holds 0 it cannot be told.
    """
    if SMALLER not in a["ablation"].values:
        return None
    gap = _gain(a, SMALLER, "macro F1 of defects")
    large, small, native = (int(a.attrs[name]) for name in ("size", "smaller_size", "native_size"))
    enlarged = ""
    if large > native:
        beyond = "" if small >= native else f" beyond {native}"
        enlarged = (
            f"The images are stored at {native} pixels (median of the longer side); at {large} they are enlarged, no "
            f"new detail{beyond}: what changes is how finely the network samples them. "
        )
    return Finding(
        topic="Resolution matters",
        published="224 → 336 pixels raised F1, by how much is not said",
        measured=f"{small} → {large} pixels{' (enlarged)' if enlarged else ''}: macro F1 of the defects {_gap(gap)}",
        agreement=_judge_trainings(gap),
        why=f"{enlarged}{_ONE_EACH}{_doubt(gap)}".strip(),
    )


def averaging(a: xr.Dataset) -> Finding:
    """Agrees if averaging over flips is better for sure, differs if surely not, else it cannot be told."""
    gap = _gain(a, ONCE, "macro F1")
    return Finding(
        topic="Averaging over flips",
        published="the mean probability of an image and its two mirror images is used, its gain not said",
        measured=f"averaged against run once, each with thresholds of its own from validation: macro F1 {_gap(gap)}",
        agreement=_judge(gap),
        why=f"{_doubt(gap)}It triples the cost of every decision.",
    )


def consistent(a: xr.Dataset) -> Finding:
    """Agrees if no image is said to have a defect and none, nor neither; differs else."""
    both, neither = (int(a["inconsistent"].sel(way_wrong=k)) for k in ("both", "neither"))
    n = int(a.attrs["n_test"])
    return Finding(
        topic="“No defect” as a label of its own",
        published="learned and decided beside the defects, as if it were independent of them",
        measured=f"of {n:,} test images {both} are said to have no defect and a defect, {neither} to have neither",
        agreement="agrees" if both + neither == 0 else "differs",
        why=""
        if both + neither == 0
        else f"{(both + neither) / n:.1%} of the answers contradict themselves. Derived from the defects, as “none of "
        "them”, it could not.",
    )


def weakest_label(a: xr.Dataset) -> str:
    """The label with the smallest F1 by the recipe."""
    f1 = a["ablation_score"].sel(ablation=RECIPE, figure=_labels(a))
    return str(f1["figure"].values[int(np.nanargmin(f1.values))])


def rarest_label(a: xr.Dataset) -> tuple[str, int]:
    """The defect with the fewest training images, and how many."""
    counts = a["split_count"].sel(split_part="train", label=[n for n in _labels(a) if n != NO_DEFECT])
    place = int(counts.values.argmin())
    return str(counts["label"].values[place]), int(counts.values[place])


def _labels(a: xr.Dataset) -> list[str]:
    return a["label"].values.tolist()


def score_of(a: xr.Dataset, kind: str, way: str, figure: str) -> tuple[float, float, float]:
    """A score with its interval, of table `kind`."""
    where = {kind: way, "figure": figure}
    low, high = a[f"{kind}_score_interval"].sel(where).values.tolist()
    return float(a[f"{kind}_score"].sel(where)), low, high


def difference_of(a: xr.Dataset, kind: str, way: str, figure: str) -> tuple[float, float, float]:
    """A difference from the first way of table `kind`, with its interval."""
    where = {kind: way, "figure": figure}
    low, high = a[f"{kind}_difference_interval"].sel(where).values.tolist()
    return float(a[f"{kind}_difference"].sel(where)), low, high


def _gain(a: xr.Dataset, without: str, figure: str) -> tuple[float, float, float]:
    """What the recipe has over the row that lacks something."""
    value, low, high = difference_of(a, "ablation", without, figure)
    return 0.0 - value, 0.0 - high, 0.0 - low


def _judge(gain: tuple[float, float, float]) -> Agreement:
    return "agrees" if gain[1] > 0 else "differs" if gain[2] <= 0 else "unclear"


def _judge_trainings(gain: tuple[float, float, float]) -> Agreement:
    """In part where the interval leaves 0 out, whichever way it points."""
    return "unclear" if _judge(gain) == "unclear" else "partly"


def _judge_optimism(luck: tuple[float, float, float] | None) -> Agreement:
    if luck is None:
        return "unclear"
    return "agrees" if luck[2] < _NO_MORE else "differs" if luck[1] > 0 else "unclear"


def _doubt(gain: tuple[float, float, float]) -> str:
    return _UNTOLD if _judge(gain) == "unclear" else ""


def _gap(value: tuple[float, float, float] | None) -> str:
    return "unknown" if value is None else signed(value, 4)


def _share(a: xr.Dataset, label: str) -> str:
    return f"{float(a['prevalence'].sel(label=label)):.0%}"


def _incomparable(a: xr.Dataset) -> str:
    if a.attrs["original"]:
        return "The published figure is a maximum over thresholds and epochs on test."
    return "Other images than the published ones: the sizes are not to be compared."
