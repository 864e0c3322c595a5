"""Claims of the lung-ultrasound publication, each judged by what was measured; headline and cautions.

A claim of more holds when its interval lies above 0 and does not when the interval lies below; an interval that holds 0
cannot tell. Intervals hold the networks fixed, so that what two trainings differ by can be seen in part at most.
Whatever activation maximisation shows is held against random steps of the same length from the same frames, because
their bounds alone make a change lie somewhere. There are two kinds of them, and a claim holds against both or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import xarray as xr

from shiftgauge.data.border import BORDER
from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding
from shiftgauge.studies.lung_baselines import BASELINES, FROZEN, INTENSITY
from shiftgauge.studies.lung_folds import ALONE, CUT, HIDDEN, PAINTED, POOLED, WHOLE
from shiftgauge.studies.lung_looks import ASCENT, CAM, FRO, STRAIGHT
from shiftgauge.studies.lung_numbers import (
    Bounds,
    against,
    change_of,
    compared,
    difference_of,
    gap_of,
    look_of,
    repeat_of,
    score_of,
    shown,
    signed,
)

PUBLISHED: Final = 0.94
"""Published accuracy, on the frames of training."""
LEAST_CELLS: Final = 10
"""Rows and columns that Grad-CAM must have before it can be called broad; VGG-16 has 14 at 224."""


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
        use_of_border(a),
        treated(a),
    ]
    told = tuple(f for f in found if f is not None)
    if not a.attrs["quick"]:
        return told
    untold = "A quick run tells nothing of it."
    return tuple(f if f.agreement == "fact" else replace(f, agreement="unclear", why=untold) for f in told)


def known_frames(a: xr.Dataset) -> Finding:
    """Agrees if the networks of all folds reach the published accuracy on training frames, differs if none does."""
    folds = a["training_accuracy"].sel(training_way=WHOLE).values
    agreement: Agreement = "agrees" if folds.min() >= PUBLISHED else "differs" if folds.max() < PUBLISHED else "unclear"
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


def broader(a: xr.Dataset) -> Finding:
    """Agrees if Grad-CAM is surely broader than activation maximisation, differs if surely narrower.

    Unclear where the map of its layer is too coarse to be narrow.
    """
    gap, cells = gap_of(a, CAM, "breadth"), (int(a.attrs["cam_rows"]), int(a.attrs["cam_columns"]))
    ascent, cam = (shown(look_of(a, method, "breadth")) for method in (ASCENT, CAM))
    half = [f"{look_of(a, method, 'area of half')[0]:.2f}" for method in (ASCENT, CAM)]
    coarse = min(cells) < LEAST_CELLS
    return Finding(
        topic="Grad-CAM is broader",
        published="Grad-CAM marks broader regions than activation maximisation (seen in three pictures)",
        measured=f"averaged over the same {cells[0]} × {cells[1]} cells, breadth {ascent} by activation maximisation, "
        f"{cam} by Grad-CAM, {shown(look_of(a, FRO, 'breadth'))} by random steps; activation maximisation less "
        f"Grad-CAM {signed(gap)}; half of the map lies in {half[0]} and {half[1]} of the area",
        agreement="unclear" if coarse else _verdict([(-gap[0], -gap[2], -gap[1])]),
        why=("The map of the layer has too few cells to be narrow. " if coarse else "")
        + "Breadth is the share of cells that an even map with the same spread would fill. The cells are those of the "
        f"layer that Grad-CAM looks at, {a.attrs['cam_layer']}, so that neither fine grain counts as narrow nor what "
        "is enlarged as broad.",
    )


def bright(a: xr.Dataset) -> Finding:
    """Unclear: whether it is B-lines that become brighter, no number can say without them being marked."""
    share = look_of(a, ASCENT, "made brighter")
    return Finding(
        topic="What becomes brighter",
        published="activation maximisation brightens B-lines (COVID-19), consolidations (pneumonia), A-lines (healthy)",
        measured=f"{shown(share)} of the change makes pixels brighter; {_beside(a, 'made brighter')}; where the lines "
        "are is not marked in these data",
        agreement="unclear",
        why="Black pixels can become brighter alone, so that random steps brighten too. Whether a change lies on a "
        "B-line needs a reader's marks. The pictures show it for one frame of each class; they are examples and no "
        "evidence.",
    )


def on_border(a: xr.Dataset) -> Finding:
    """Agrees if activation maximisation surely puts more on the border than random steps do, differs if surely less."""
    found, cam = look_of(a, ASCENT, "on the border"), look_of(a, CAM, "on the border")
    return Finding(
        topic="Borders are falsely activated",
        published="the borders of the images are activated, which is taken to be false",
        measured=f"{shown(found)} of activation maximisation falls on the outer {BORDER:.0%} of each side; "
        f"{_beside(a, 'on the border')}. Grad-CAM {shown(cam)}; the border is {float(a.attrs['border_area']):.3f} of "
        "the area",
        agreement=_verdict([gap_of(a, other, "on the border") for other in (FRO, STRAIGHT)]),
        why="More than random steps of the same length means that the network asks for the border more than for the "
        "rest. Whether that is false is another question: see what the network does without it.",
    )


def stable(a: xr.Dataset) -> Finding:
    """A fact: how alike the maps of two seeds are, which bounds what one picture can show."""
    pixels, cells = (repeat_of(a, grain) for grain in ("pixels", "cells"))
    return Finding(
        topic="How stable a picture is",
        published="one picture each",
        measured=f"maps of activation maximisation of the same frames by the same networks, begun with another seed, "
        f"correlate by {shown(pixels)} pixel by pixel and {shown(cells)} over the cells",
        agreement="fact",
        why="The seed decides by how many pixels the network looks at the image shifted at each step, and nothing "
        "else. What does not come back with another seed is no property of the network.",
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
        agreement=_verdict([(-c[0], -c[2], -c[1]) for c in changes]),
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
    return f"Quick run, no result: {text[0].lower()}{text[1:]}" if a.attrs["quick"] else text


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


def _verdict(gaps: Sequence[Bounds]) -> Agreement:
    """Agrees if all are surely above 0, differs if all are surely below."""
    if all(low > 0 for _, low, _ in gaps):
        return "agrees"
    return "differs" if all(high < 0 for _, _, high in gaps) else "unclear"


def _beside(a: xr.Dataset, measure: str) -> str:
    """A measure by random steps of both kinds, and by how much activation maximisation is above each."""
    return ", ".join(
        f"{other} {shown(look_of(a, other, measure))}, {signed(gap_of(a, other, measure))} against them"
        for other in (FRO, STRAIGHT)
    )
