"""Claims of the glass publication about its second task, each judged by what was measured; and the verdict.

Every agreement follows from the arrays by the rule that its function states. A difference counts as seen when its
interval does not hold 0. It says what a choice did to these networks; another seed gives others.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding

RECIPE: Final = "the recipe"
ONCE: Final = "without averaging"
HALF_ROW: Final = "thresholds 0.5"
EXACT_ROW: Final = "thresholds of every score"
SMALLER: Final = "smaller input"
UNWEIGHTED: Final = "without class weights"
_MICRO: Final = 0.9584
_MACRO: Final = 0.8407
_CLOSE: Final = 0.02
_WEAK: Final = "its weakest label"


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """All claims that the arrays can judge."""
    found = [micro(a), claimed_on_test(a), thresholds(a), weights(a), resolution(a), averaging(a), consistent(a)]
    return tuple(f for f in found if f is not None)


def micro(a: xr.Dataset) -> Finding:
    """Agrees if micro and macro F1 are within 0.02, so that the one speaks for all labels; differs else."""
    small, large = (_score(a, "ablation", RECIPE, f) for f in ("macro F1", "micro F1"))
    gap = large[0] - small[0]
    weakest = weakest_label(a)
    return Finding(
        topic="Micro F1 speaks for the whole",
        published=f"micro F1 {_MICRO} as the one figure; the macro F1 of its own table, not printed, is {_MACRO}",
        measured=f"micro F1 {_shown(large)}, macro F1 {_shown(small)}, of the defects alone "
        f"{_shown(_score(a, 'ablation', RECIPE, 'macro F1 of defects'))}; {weakest} "
        f"{_shown(_score(a, 'ablation', RECIPE, weakest))}",
        agreement="agrees" if abs(gap) <= _CLOSE else "differs",
        why=f"Micro F1 counts decisions, and {_share(a, 'no defect')} of the test images have no defect. "
        + ("Here the labels are about equally hard. " if abs(gap) <= _CLOSE else "")
        + _incomparable(a),
    )


def claimed_on_test(a: xr.Dataset) -> Finding | None:
    """Agrees if choosing on test claims no more than is honest, in part if more within the interval, differs else."""
    if "watch_score" not in a:
        return None
    names = a["watch"].values.tolist()
    honest, published = names[0], names[-1]
    gap = _difference(a, "watch", published, "micro F1")
    parts = {name: _difference(a, "watch", name, "micro F1")[0] for name in names[1:-1]}
    epoch = {name: int(a["watch_epoch"].sel(watch=name)) for name in (honest, published)}
    agreement: Agreement = "agrees" if gap[0] <= 0 else "differs" if gap[1] > 0 else "partly"
    macro = _difference(a, "watch", published, "macro F1")[0]
    return Finding(
        topic="A score “on validation”",
        published="there is no validation part: thresholds and epoch are those with the largest micro F1 on test, and "
        "that F1 is reported",
        measured=f"chosen on validation {_shown(_score(a, 'watch', honest, 'micro F1'))} (epoch {epoch[honest]}), "
        f"as published {_shown(_score(a, 'watch', published, 'micro F1'))} (epoch {epoch[published]}) on the same "
        f"{int(a.attrs['n_test']):,} test images and predictions: {_gap(gap)}; in macro F1 {macro:+.4f}",
        agreement=agreement,
        why="Of that, " + " and ".join(f"{name} give {value:+.4f}" for name, value in parts.items()) + ". What is "
        "gained by choosing on the images that are reported is luck of these images; it grows with fewer of them, "
        "with rarer labels and with more epochs to choose from.",
    )


def thresholds(a: xr.Dataset) -> Finding:
    """Agrees if thresholds from validation beat one half for sure, in part if perhaps, differs if they do not."""
    gap = _gain(a, HALF_ROW, "macro F1")
    exact = _difference(a, "ablation", EXACT_ROW, "macro F1")
    chosen = ", ".join(f"{n} {t:.2f}" for n, t in zip(_labels(a), a["threshold"].values, strict=True))
    return Finding(
        topic="Thresholds for each label",
        published="a threshold for each label raises F1 (.50, .40, .35, .45)",
        measured=f"chosen on validation ({chosen}) against one half: macro F1 on test {_gap(gap)}",
        agreement=_judge(gap),
        why=f"Searching every score rather than a grid of 0.05 changes macro F1 by {_gap(exact)}. The published grid "
        "ends at 0.9; here it is 0.05 to 0.95, both included.",
    )


def weights(a: xr.Dataset) -> Finding | None:
    """Agrees if the weakest label without weights gains for sure, in part if perhaps, differs if it does not."""
    if UNWEIGHTED not in a["ablation"].values:
        return None
    f1 = a["ablation_score"].sel(ablation=UNWEIGHTED, figure=_labels(a))
    weakest = str(f1["figure"].values[int(np.nanargmin(f1.values))])
    gap = _gain(a, UNWEIGHTED, weakest)
    whole = _gain(a, UNWEIGHTED, "macro F1 of defects")
    return Finding(
        topic="Class weights lift the rare labels",
        published="“Stain” was below .60 before the weights and reached .7156",
        measured=f"{weakest}, {_WEAK} without weights, {float(np.nanmin(f1.values)):.3f} there: weights change its F1 "
        f"by {_gap(gap)}, macro F1 of the defects by {_gap(whole)}",
        agreement=_judge(gap),
        why=f"The weights here: {a.attrs['weights_text']}. They weigh the whole term of a label, present or absent. "
        "The publication calls its own pos_weight, but it multiplies positives and negatives alike, so it cannot "
        "trade recall against precision as a positive weight does; and thresholds chosen afterwards undo much of "
        "either.",
    )


def resolution(a: xr.Dataset) -> Finding | None:
    """Agrees if the larger input is better for sure, in part if perhaps, differs if it is not."""
    if SMALLER not in a["ablation"].values:
        return None
    gap = _gain(a, SMALLER, "macro F1 of defects")
    large, small = int(a.attrs["size"]), int(a.attrs["smaller_size"])
    return Finding(
        topic="Resolution matters",
        published="224 → 336 pixels raised F1, by how much is not said",
        measured=f"{small} → {large} pixels: macro F1 of the defects {_gap(gap)}",
        agreement=_judge(gap),
        why="" if gap[0] > 0 else "On these images the larger input brought nothing that the smaller one lacked.",
    )


def averaging(a: xr.Dataset) -> Finding:
    """Agrees if averaging over flips is better for sure, in part if perhaps, differs if it is not."""
    gap = _gain(a, ONCE, "macro F1")
    return Finding(
        topic="Averaging over flips",
        published="the mean probability of an image and its two mirror images is used, its gain not said",
        measured=f"averaged against run once, each with thresholds of its own from validation: macro F1 {_gap(gap)}",
        agreement=_judge(gap),
        why="It triples the cost of every decision.",
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


def headline(a: xr.Dataset, findings: tuple[Finding, ...]) -> str:
    """The outcome in plain sentences."""
    small, large = (_score(a, "ablation", RECIPE, f) for f in ("macro F1", "micro F1"))
    counts = Counter(f.agreement for f in findings)
    text = (
        f"On {a.attrs['data_name']}, the recipe without its leaks reaches micro F1 {_shown(large)} and macro F1 "
        f"{_shown(small)} on {int(a.attrs['n_test']):,} test images."
    )
    if "watch_score" in a:
        gap = _difference(a, "watch", str(a["watch"].values[-1]), "micro F1")
        more = "more" if gap[0] >= 0 else "less"
        text += f" Choosing thresholds and epoch on test, as published, would have claimed {abs(gap[0]):.4f} {more}."
    return (
        f"{text} Of {len(findings)} claims looked at, {counts['agrees']} hold, {counts['partly']} hold in part and "
        f"{counts['differs']} do not."
    )


def messages(a: xr.Dataset, notes: tuple[str, ...] = ()) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    found = []
    if a.attrs["quick"]:
        text = "A quick run: a few small images, random weights, two epochs. It shows that everything runs and no more"
        found.append(Message(level="alarm", code="quick", text=text))
    if not a.attrs["original"]:
        text = (
            f"The images are those of {a.attrs['data_name']}, not the published ones, which cannot be had: no figure "
            "here repeats or refutes a published one"
        )
        found.append(Message(level="caution", code="other_data", text=text))
    if not a.attrs["published_recipe"]:
        text = f"Not the published training but a smaller one: {a.attrs['recipe_text']}"
        found.append(Message(level="caution", code="own_recipe", text=text))
    text = (
        "Intervals hold the networks fixed and draw test images anew. What a choice in training changes is known from "
        "one network each; another seed moves all of them"
    )
    found.append(Message(level="caution", code="one_seed", text=text))
    found += [Message(level="info", code="split", text=f"{n[0].upper()}{n[1:].rstrip('.')}") for n in notes]
    return tuple(found)


def weakest_label(a: xr.Dataset) -> str:
    """The label with the smallest F1 by the recipe."""
    f1 = a["ablation_score"].sel(ablation=RECIPE, figure=_labels(a))
    return str(f1["figure"].values[int(np.nanargmin(f1.values))])


def _labels(a: xr.Dataset) -> list[str]:
    return a["label"].values.tolist()


def _score(a: xr.Dataset, kind: str, way: str, figure: str) -> tuple[float, float, float]:
    where = {kind: way, "figure": figure}
    low, high = a[f"{kind}_score_interval"].sel(where).values.tolist()
    return float(a[f"{kind}_score"].sel(where)), low, high


def _difference(a: xr.Dataset, kind: str, way: str, figure: str) -> tuple[float, float, float]:
    where = {kind: way, "figure": figure}
    low, high = a[f"{kind}_difference_interval"].sel(where).values.tolist()
    return float(a[f"{kind}_difference"].sel(where)), low, high


def _gain(a: xr.Dataset, without: str, figure: str) -> tuple[float, float, float]:
    """What the recipe has over the row that lacks something."""
    value, low, high = _difference(a, "ablation", without, figure)
    return 0.0 - value, 0.0 - high, 0.0 - low


def _judge(gain: tuple[float, float, float]) -> Agreement:
    return "agrees" if gain[1] > 0 else "partly" if gain[0] > 0 else "differs"


def _shown(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def _gap(value: tuple[float, float, float]) -> str:
    return f"{value[0]:+.4f} [{value[1]:+.4f}, {value[2]:+.4f}]"


def _share(a: xr.Dataset, label: str) -> str:
    return f"{float(a['prevalence'].sel(label=label)):.0%}"


def _incomparable(a: xr.Dataset) -> str:
    if a.attrs["original"]:
        return "The published figure is a maximum over thresholds and epochs on test."
    return "Other images than the published ones: the sizes are not to be compared."
