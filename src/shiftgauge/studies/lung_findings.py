"""Claims of the lung-ultrasound publication, each judged by what was measured; headline and cautions.

A claim of more holds when its interval lies above 0 and does not when the interval lies below; an interval that holds 0
cannot tell. Intervals hold the networks fixed, so that what two trainings differ by can be seen in part at most.
Whatever activation maximisation shows is held against random steps of the same length from the same frames, because
their bounds alone make a change lie somewhere. There are two kinds of them, and a claim holds against both or not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding, without_verdicts
from shiftgauge.studies.claims import quick_headline, shown, signed
from shiftgauge.studies.lung_baselines import BASELINES, FROZEN, INTENSITY
from shiftgauge.studies.lung_folds import ALONE, CUT, HIDDEN, PAINTED, POOLED, WHOLE
from shiftgauge.studies.lung_map_findings import bright, broader, of_the_class, on_border, stable
from shiftgauge.studies.lung_numbers import (
    against,
    change_of,
    compared,
    difference_of,
    judged,
    look_of,
    score_of,
)
from shiftgauge.studies.lung_seen import ASCENT, FRO, STRAIGHT

PUBLISHED: Final = 0.94
"""Published accuracy, on the frames of training."""


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """All claims that the arrays can judge; a quick run judges none."""
    found = [
        known_frames(a),
        unseen_recordings(a),
        pooled(a),
        better_than_nothing(a),
        broader(a),
        bright(a),
        on_border(a),
        stable(a),
        of_the_class(a),
        use_of_border(a),
        treated(a),
    ]
    told = tuple(f if a.attrs["published_recipe"] else _of_this_network(a, f) for f in found if f is not None)
    return without_verdicts(told) if a.attrs["quick"] else told


def _of_this_network(a: xr.Dataset, finding: Finding) -> Finding:
    """A verdict of another network than the published one, which says so."""
    if finding.agreement not in ("agrees", "partly", "differs"):
        return finding
    whose = f"The verdict is about this network, {a.attrs['recipe_text']}, and not about the published one. "
    return replace(finding, why=whose + finding.why)


def known_frames(a: xr.Dataset) -> Finding:
    """Agrees if the networks of all folds reach the published accuracy on training frames, differs if none does.

    A fact where another network was trained, or the published one otherwise.
    """
    folds = a["training_accuracy"].sel(training_way=WHOLE).values
    agreement: Agreement = "agrees" if folds.min() >= PUBLISHED else "differs" if folds.max() < PUBLISHED else "unclear"
    if not a.attrs["published_recipe"]:
        agreement = "fact"
    return Finding(
        topic="Accuracy on the frames of training",
        published=f"{PUBLISHED:.0%}",
        measured=f"{folds.mean():.3f}, from {folds.min():.3f} to {folds.max():.3f} between folds",
        agreement=agreement,
        why="Any network that trains long enough comes near 1 on its own frames; it says nothing of others.",
    )


def unseen_recordings(a: xr.Dataset) -> Finding:
    """A fact: what the networks do on recordings that they were not trained on."""
    return Finding(
        topic="Accuracy on unseen recordings",
        published="not measured",
        measured=f"balanced accuracy {shown(score_of(a, WHOLE))}; "
        f"{shown(score_of(a, WHOLE, table='recording'))} where the frames of a recording are taken together",
        agreement="fact",
        why="Frames of one recording are nearly alike: a network that knows one knows the others. Only recordings that "
        "it has not seen say what it would do for a new patient; a patient may still have several recordings, which "
        "the data do not tell.",
    )


def pooled(a: xr.Dataset) -> Finding | None:
    """A fact: what a division that tears recordings apart claims beyond one that does not."""
    if POOLED not in a["way"].values:
        return None
    return Finding(
        topic="Frames in one pool",
        published="the frames of all recordings are one pool; none are kept apart",
        measured=f"with frames divided at random, balanced accuracy on frames that were not trained on is "
        f"{shown(score_of(a, POOLED))}: {signed(difference_of(a, POOLED))} against a division by recording",
        agreement="fact",
        why="What is claimed beyond the division by recording is what the network knows of each recording, such as its "
        "machine, its scale and the patient, and not of the illness.",
    )


def better_than_nothing(a: xr.Dataset) -> Finding:
    """A fact: by how much the trained networks beat what needs no training of them."""
    gaps = {way: against(a, way) for way in BASELINES}
    return Finding(
        topic="Against what needs no training",
        published="no baseline",
        measured="; ".join(
            f"{way}: balanced accuracy {shown(score_of(a, way))}, the trained network {compared(gap)}"
            for way, gap in gaps.items()
        ),
        agreement="fact",
        why="A constant answer has a balanced accuracy of one over the number of classes. Brightness differs between "
        "machines and clinics, and so between classes that come from different sources. The features are those of the "
        "same network where its training begins.",
    )


def use_of_border(a: xr.Dataset) -> Finding:
    """A fact: what the networks of whole frames do when the border is hidden, and with nothing but the border."""
    alone, hidden = score_of(a, ALONE), score_of(a, HIDDEN)
    some = alone[1] > 1 / a.sizes["class"]
    return Finding(
        topic="Whether the border is used",
        published="not measured",
        measured=f"the same networks, balanced accuracy with the border hidden at test {shown(hidden)}, with nothing "
        f"but the border {shown(alone)}; whole frames {shown(score_of(a, WHOLE))}",
        agreement="fact",
        why=("The border alone tells classes apart better than chance. " if some else "")
        + "Text, scales and the form of the fan differ between machines and sources; a network may use them as well as "
        "tissue. Frames treated so are unlike those of training, which costs something by itself.",
    )


def treated(a: xr.Dataset) -> Finding | None:
    """Agrees if networks trained without the border surely ask less for it than those of whole frames.

    The first treatment is judged; what it does to accuracy is a fact.
    """
    ways = [way for way in (PAINTED, CUT) if way in a["look_way"].values]
    if not ways:
        return None
    changes = [change_of(a, other, ways[0]) for other in (FRO, STRAIGHT)]
    others = ", ".join(
        f"{way} {shown(look_of(a, ASCENT, 'on the border', way))}, balanced accuracy {signed(difference_of(a, way))}"
        for way in ways
    )
    return Finding(
        topic="Preprocessing the border",
        published="borders should be preprocessed so that they are not activated",
        measured=f"what activation maximisation puts on the border beyond random steps changes by {signed(changes[0])} "
        f"({ways[0]}, the same frames), beyond those in one direction by {signed(changes[1])}; share on the border: "
        f"{WHOLE} {shown(look_of(a, ASCENT, 'on the border'))}, {others}",
        agreement=judged([(-c[0], -c[2], -c[1]) for c in changes]),
        why="Networks trained without the border are shown frames without it. Each way is one training of each fold; "
        "another seed moves all of them. What lies on the border of a cut frame was further inside before.",
    )


def headline(a: xr.Dataset) -> str:
    """The outcome in plain sentences; of a quick run that it is no result."""
    value, over = score_of(a, WHOLE), against(a, INTENSITY)
    text = (
        f"On recordings that the network was not trained on, balanced accuracy is {shown(value)}; the published "
        f"{PUBLISHED:.0%} was measured on the frames of training, where it is "
        f"{float(a['training_accuracy'].sel(training_way=WHOLE).mean()):.1%} here. Mean intensity alone reaches "
        f"{score_of(a, INTENSITY)[0]:.3f}: the network {compared(over)}. A logistic regression on its features before "
        f"training reaches {score_of(a, FROZEN)[0]:.3f}: the network {compared(against(a, FROZEN))}."
    )
    return quick_headline(text) if a.attrs["quick"] else text


def messages(a: xr.Dataset, notes: tuple[str, ...]) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    found = []
    if a.attrs["quick"]:
        text = f"A quick run on a few small frames: {a.attrs['recipe_text']}. It shows that everything runs and no more"
        found.append(Message(level="alarm", code="quick", text=text))
    if not a.attrs["published_recipe"]:
        text = (
            f"Not the published recipe: {a.attrs['recipe_text']}, {a.attrs['steps']} steps of activation maximisation"
        )
        found.append(Message(level="caution", code="own_recipe", text=text))
    text = (
        "Intervals hold the networks fixed and draw recordings anew; another seed of the training moves all of them. A "
        "patient may have several recordings, on both sides of a fold"
    )
    found.append(Message(level="caution", code="one_seed", text=text))
    found += [Message(level="info", code="split", text=f"{n[0].upper()}{n[1:].rstrip('.')}") for n in notes]
    return tuple(found)
