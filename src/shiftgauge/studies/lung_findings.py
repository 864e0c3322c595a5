"""Claims of the lung-ultrasound publication, each judged by what was measured; headline and cautions.

A claim of more holds when its interval lies above 0 and does not when the interval lies below; an interval that holds 0
cannot tell. Intervals hold the networks fixed, so that what two trainings differ by can be seen in part at most.
"""

from __future__ import annotations

from typing import Final

import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding
from shiftgauge.studies.lung_border import BORDER
from shiftgauge.studies.lung_folds import ALONE, CUT, HIDDEN, INTENSITY, MAJORITY, PAINTED, POOLED, WHOLE
from shiftgauge.studies.lung_looks import ASCENT, CAM
from shiftgauge.studies.lung_scores import BALANCED

PUBLISHED: Final = 0.94
"""Published accuracy, on the frames of training."""
Bounds = tuple[float, float, float]


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """All claims that the arrays can judge."""
    found = [
        accuracy(a),
        pooled(a),
        better_than_nothing(a),
        broader(a),
        bright(a),
        on_border(a),
        use_of_border(a),
        treated(a),
    ]
    return tuple(f for f in found if f is not None)


def accuracy(a: xr.Dataset) -> Finding:
    """Agrees if balanced accuracy by recording is surely at least the published figure, differs if surely less."""
    value, known = score_of(a, WHOLE), float(a["training_accuracy"].sel(training_way=WHOLE).mean())
    agreement: Agreement = "differs" if value[2] < PUBLISHED else "agrees" if value[1] >= PUBLISHED else "unclear"
    return Finding(
        topic="How good the network is",
        published=f"{PUBLISHED:.0%} accuracy, on the frames that it was trained on; no others were looked at",
        measured=f"balanced accuracy {shown(value)} on recordings that the network was not trained on, "
        f"{shown(score_of(a, WHOLE, table='recording'))} where the frames of a recording are taken together; "
        f"accuracy on its own training frames {known:.3f}",
        agreement=agreement,
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
    """A fact: by how much the networks beat what needs none."""
    gaps = {way: _against(a, way) for way in (INTENSITY, MAJORITY)}
    return Finding(
        topic="Against what needs no network",
        published="no baseline",
        measured="; ".join(
            f"{way}: balanced accuracy {shown(score_of(a, way))}, the network {compared(gap)}"
            for way, gap in gaps.items()
        ),
        agreement="fact",
        why="Whoever says the same class of every frame has a balanced accuracy of one third. Brightness differs "
        "between machines and clinics, and so between classes that come from different sources.",
    )


def broader(a: xr.Dataset) -> Finding:
    """Agrees if Grad-CAM is surely broader than activation maximisation, differs if surely narrower."""
    gap = _gap(a, "breadth")
    ascent, cam = (shown(look_of(a, method, "breadth")) for method in (ASCENT, CAM))
    count = int(a["look_frames"].sel(look_way=WHOLE))
    half = [f"{look_of(a, method, 'area of half')[0]:.2f}" for method in (ASCENT, CAM)]
    return Finding(
        topic="Grad-CAM is broader",
        published="Grad-CAM marks broader regions than activation maximisation (seen in three pictures)",
        measured=f"over {count} frames, breadth {ascent} by activation maximisation, "
        f"{cam} by Grad-CAM; difference {signed(gap)}; half of the map lies in {half[0]} and {half[1]} of the area",
        agreement="agrees" if gap[2] < 0 else "differs" if gap[1] > 0 else "unclear",
        why="Breadth is the share of cells that an even map with the same spread would fill. Both maps are averaged "
        "over the same cells first, so that fine grain does not count as narrow; Grad-CAM "
        "cannot be finer than the map of its layer. What is broad to the eye also depends "
        "on the colours of a picture: Grad-CAM is drawn smooth and activation maximisation is not.",
    )


def bright(a: xr.Dataset) -> Finding:
    """Unclear: whether it is B-lines that become brighter, no number can say without them being marked."""
    share = float(a["look_brightening"].sel(look_way=WHOLE))
    return Finding(
        topic="What becomes brighter",
        published="activation maximisation brightens B-lines (COVID-19), consolidations (pneumonia), A-lines (healthy)",
        measured=f"{share:.0%} of the change makes pixels brighter; where the lines are is not marked in these data",
        agreement="unclear",
        why="Whether a change lies on a B-line needs a reader's marks. The pictures below show it for one frame of "
        "each class; they are examples and no evidence.",
    )


def on_border(a: xr.Dataset) -> Finding:
    """Agrees if activation maximisation surely puts more on the border than its area, differs if surely less."""
    found, cam = look_of(a, ASCENT, "on the border"), look_of(a, CAM, "on the border")
    area = float(a.attrs["border_area"])
    return Finding(
        topic="Borders are falsely activated",
        published="the borders of the images are activated, which is taken to be false",
        measured=f"{shown(found)} of activation maximisation and {shown(cam)} of Grad-CAM falls on the outer "
        f"{BORDER:.0%} of each side, which is {area:.3f} of the area",
        agreement="agrees" if found[1] > area else "differs" if found[2] < area else "unclear",
        why="More than its share of the area means that the border is activated more than the rest. Whether that is "
        "false is another question: see what the network does without it.",
    )


def use_of_border(a: xr.Dataset) -> Finding:
    """A fact: what the networks of whole frames do when the border is hidden, and with nothing but the border."""
    alone, hidden = score_of(a, ALONE), score_of(a, HIDDEN)
    some = alone[1] > 1 / 3
    return Finding(
        topic="Whether the border is used",
        published="not measured",
        measured=f"the same networks, balanced accuracy with the border hidden at test {shown(hidden)}, with nothing "
        f"but the border {shown(alone)}; whole frames {shown(score_of(a, WHOLE))}",
        agreement="fact",
        why=("The border alone tells classes apart better than chance. " if some else "")
        + "Text, scales and the form of the fan differ between machines and sources; a network may use them as well as "
        "tissue. Painted frames are unlike those of training, which costs something by itself.",
    )


def treated(a: xr.Dataset) -> Finding | None:
    """In part at most where a training without the border is surely better: one training of each fold and way."""
    ways = [way for way in (PAINTED, CUT) if way in a["way"].values]
    if not ways:
        return None
    gaps = {way: difference_of(a, way) for way in ways}
    looks = [f"{way} {shown(look_of(a, ASCENT, 'on the border', way))}" for way in ways if way in a["look_way"].values]
    surely = any(gap[1] > 0 for gap in gaps.values())
    none = all(gap[2] < 0 for gap in gaps.values())
    return Finding(
        topic="Preprocessing the border",
        published="borders should be preprocessed so that they are not activated",
        measured="balanced accuracy changes by "
        + ", ".join(f"{signed(gap)} ({way})" for way, gap in gaps.items())
        + (
            f"; share of activation maximisation on the border of the treated frame: {', '.join(looks)}"
            if looks
            else ""
        ),
        agreement="partly" if surely else "differs" if none else "unclear",
        why="Each way is one more training of each fold; another seed moves all of them, so that this is in part at "
        "most. What lies on the border of a cut frame was further inside before.",
    )


def headline(a: xr.Dataset) -> str:
    """The outcome in plain sentences; of a quick run that it is no result."""
    value, over = score_of(a, WHOLE), _against(a, INTENSITY)
    text = (
        f"On recordings that the network was not trained on, balanced accuracy is {shown(value)}; the published "
        f"{PUBLISHED:.0%} was measured on the frames of training, where it is "
        f"{float(a['training_accuracy'].sel(training_way=WHOLE).mean()):.1%} here. Mean intensity alone reaches "
        f"{score_of(a, INTENSITY)[0]:.3f}: the network {compared(over)}."
    )
    return f"Quick run, no result: {text[0].lower()}{text[1:]}" if a.attrs["quick"] else text


def messages(a: xr.Dataset, notes: tuple[str, ...]) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    found = []
    if a.attrs["quick"]:
        text = "A quick run: a few small frames, random weights, two epochs. It shows that everything runs and no more"
        found.append(Message(level="alarm", code="quick", text=text))
    if not a.attrs["published_recipe"]:
        text = f"Not the published training but a smaller one: {a.attrs['recipe_text']}"
        found.append(Message(level="caution", code="own_recipe", text=text))
    text = (
        "Intervals hold the networks fixed and draw recordings anew; another seed of the training moves all of them. A "
        "patient may have several recordings, on both sides of a fold"
    )
    found.append(Message(level="caution", code="one_seed", text=text))
    found += [Message(level="info", code="split", text=f"{n[0].upper()}{n[1:].rstrip('.')}") for n in notes]
    return tuple(found)


def score_of(a: xr.Dataset, way: str, figure: str = BALANCED, *, table: str = "way") -> Bounds:
    """A score with the bounds of its interval."""
    where = {table: way, "figure": figure}
    low, high = a[f"{table}_score_interval"].sel(where).values.tolist()
    return float(a[f"{table}_score"].sel(where)), low, high


def difference_of(a: xr.Dataset, way: str, figure: str = BALANCED) -> Bounds:
    """The difference of a way from whole frames, with bounds."""
    where = {"way": way, "figure": figure}
    low, high = a["way_difference_interval"].sel(where).values.tolist()
    return float(a["way_difference"].sel(where)), low, high


def look_of(a: xr.Dataset, method: str, measure: str, way: str = WHOLE) -> Bounds:
    """A measure of a method's maps, with bounds."""
    where = {"look_way": way, "method": method, "measure": measure}
    low, high = a["look_value_interval"].sel(where).values.tolist()
    return float(a["look_value"].sel(where)), low, high


def shown(value: Bounds) -> str:
    """A number with its interval.

    Example:
        >>> shown((0.5, 0.4, 0.6))
        '0.500 [0.400, 0.600]'
    """
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def signed(value: Bounds) -> str:
    """A difference with its interval.

    Example:
        >>> signed((0.5, -0.4, 0.6))
        '+0.500 [-0.400, +0.600]'
    """
    return f"{value[0]:+.3f} [{value[1]:+.3f}, {value[2]:+.3f}]"


def compared(gap: Bounds) -> str:
    """By how much a network is better or worse, or that it cannot be told.

    Example:
        >>> compared((0.1, 0.05, 0.15))
        'is better by +0.100 [+0.050, +0.150]'
    """
    word = "is better" if gap[1] > 0 else "is worse" if gap[2] < 0 else "is not surely better or worse, it differs"
    return f"{word} by {signed(gap)}"


def _gap(a: xr.Dataset, measure: str) -> Bounds:
    where = {"look_way": WHOLE, "measure": measure}
    low, high = a["look_gap_interval"].sel(where).values.tolist()
    return float(a["look_gap"].sel(where)), low, high


def _against(a: xr.Dataset, way: str) -> Bounds:
    """By how much whole frames are better than a way."""
    value, low, high = difference_of(a, way)
    return 0.0 - value, 0.0 - high, 0.0 - low
