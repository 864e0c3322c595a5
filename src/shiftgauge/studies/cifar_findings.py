"""What the CIFAR-10 study finds: each claim of the publication beside its number over many images."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding, without_verdicts
from shiftgauge.studies.cifar_numbers import KINDS, Interval, above, dead_images, depth_ratio, mean_of
from shiftgauge.studies.cifar_recipe import PUBLISHED_ACCURACY, Network
from shiftgauge.studies.claims import quick_headline, shown

NAMES: Final[dict[Network, str]] = {"vgg16": "VGG-16", "resnet18": "ResNet-18"}
_ENOUGH: Final = 100
_TOLERANCE: Final = 0.015
_FEW: Final = 0.1
"""A share of the variance below this counts as none."""
_ALIKE: Final = 0.9
"""Maps of two colours with a correlation above this count as the same picture."""
_EDGES: Final = 0.2


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """Returns the findings, in the order of the publication.

    Claims that rest on fewer than 100 images are left open, and all claims of a quick run.

    Args:
        a: Arrays of the study.
    """
    judged = [_accuracy(a, name) for name in NAMES]
    looked, pairs = int(a.sizes["looked"]), int(a["pair_roughness"].notnull().all("network").sum())
    judged += [_of(looked, finding) for finding in (_colour(a), _decay(a), _preserved(a), _edges(a))]
    judged.append(_of(pairs, _blurred(a)))
    if a.attrs["quick"]:
        judged = list(without_verdicts(judged))
    return (*judged, _amplitude(a), _clamp(a))


def together(*sides: bool | None) -> Agreement:
    """The verdict on a claim of several sides, each of which holds, does not hold, or cannot be told (None).

    Example:
        >>> together(True, True), together(True, None), together(False, False), together(False, None)
        ('agrees', 'partly', 'differs', 'unclear')
    """
    if all(sides):
        return "agrees"
    if any(sides):
        return "partly"
    return "unclear" if None in sides else "differs"


def _accuracy(a: xr.Dataset, name: Network) -> Finding:
    value = float(a["accuracy"].sel(part="test", network=name))
    low, high = a["accuracy_interval"].sel(part="test", network=name).values.tolist()
    published = PUBLISHED_ACCURACY[name]
    return Finding(
        topic=f"{NAMES[name]}, accuracy",
        published=f"{published:.1%} on test after 15 epochs",
        measured=f"{shown((value, low, high))} on test",
        agreement=together(above((value, low, high), published - _TOLERANCE)),
        why=f"holds when the interval lies above {published - _TOLERANCE:.1%}, {_TOLERANCE:.1%} below the published",
    )


def _colour(a: xr.Dataset) -> Finding:
    share, alike = (a[kind].sel(network="vgg16").values for kind in ("share", "channel_correlation"))
    fourth = min(3, share.shape[1] - 1)
    first_share, last_share, gap = (mean_of(v) for v in (share[:, 0], share[:, fourth], share[:, 0] - share[:, fourth]))
    first_alike, last_alike, rise = (
        mean_of(v) for v in (alike[:, 0], alike[:, fourth], alike[:, fourth] - alike[:, 0])
    )
    early = _either(above(first_share, _FEW), _below(first_alike, _ALIKE))
    late = _either(above(last_share, _FEW), _below(last_alike, _ALIKE))
    fades = _either(above(gap, 0), above(rise, 0))
    agreement: Agreement = "unclear"
    if early is not None and late is not None:
        agreement = together(fades, False) if early and late else together(early, not late)
    return Finding(
        topic="Colour",
        published="block 1 depends on the colour channel, block 4 does not",
        measured=f"share of a map's variance between colours {shown(first_share)} in block 1, {shown(last_share)} in "
        f"block 4, difference {shown(gap)}; correlation of two colours' maps {shown(first_alike)} and "
        f"{shown(last_alike)}",
        agreement=agreement,
        why=f"a block depends on colour when the share is above {_FEW} or the correlation below {_ALIKE}; in part: "
        "block 4 does not, nor does block 1, or it does, less than block 1",
    )


def _decay(a: xr.Dataset) -> Finding:
    raw, own = (mean_of(depth_ratio(a, "vgg16", kind)) for kind in KINDS)
    return Finding(
        topic="VGG-16, depth",
        published="sensitivity decays with depth, from 1 in block 1 to 0.01 in block 5",
        measured=f"log10 of the last block over the first {shown(raw, 2)}; relative to the size of each block's output "
        f"{shown(own, 2)}{_dead(a, 'vgg16')}",
        agreement=together(_below(raw, 0), _below(own, 0)),
        why="holds when both decay; raw alone only says that deeper blocks give smaller outputs",
    )


def _preserved(a: xr.Dataset) -> Finding:
    raw, own = (mean_of(depth_ratio(a, "resnet18", kind)) for kind in KINDS)
    gaps = [mean_of(depth_ratio(a, "resnet18", kind) - depth_ratio(a, "vgg16", kind)) for kind in KINDS]
    return Finding(
        topic="ResNet-18, depth",
        published="sensitivity is preserved with depth, unlike in VGG-16; its figure has 10 in layer 1 and 1 in layers "
        "2 to 4",
        measured=f"log10 of the last layer over layer 1 {shown(raw, 2)}, relative {shown(own, 2)}; more than in VGG-16 "
        f"by {shown(gaps[0], 2)}, relative by {shown(gaps[1], 2)}{_dead(a, 'resnet18')}",
        agreement=together(*(above(gap, 0) for gap in gaps)),
        why="holds when more is kept than in VGG-16, image by image, both raw and relative",
    )


def _edges(a: xr.Dataset) -> Finding:
    values = a["edges"].sel(network="vgg16").values
    first, last = mean_of(values[:, 0]), mean_of(values[:, -1])
    clear = above(first, 0)
    return Finding(
        topic="Edges",
        published="block 1 of VGG-16 answers to edges and corners",
        measured=f"correlation of the map with the steepness of the image {shown(first)} in block 1, {shown(last)} in "
        "the last",
        agreement=together(clear, above(first, _EDGES)) if clear else together(clear),
        why=f"holds from {_EDGES} on, in part above 0",
    )


def _blurred(a: xr.Dataset) -> Finding:
    vgg, res = (a["pair_roughness"].sel(network=name).values for name in NAMES)
    gap = mean_of(res - vgg)
    return Finding(
        topic="Raised classes",
        published="images that raise a class are more blurred with ResNet-18 than with VGG-16",
        measured=f"total variation of the change over its size {shown(mean_of(res))} with ResNet-18, "
        f"{shown(mean_of(vgg))} with VGG-16, difference {shown(gap)}",
        agreement=together(_below(gap, 0)),
        why="lower is more blurred",
    )


def _amplitude(a: xr.Dataset) -> Finding:
    pixels, cells = (mean_of(a[kind].sel(network="vgg16").values[:, 0]) for kind in ("repeated", "repeated_cells"))
    return Finding(
        topic="Random push",
        published="each pixel is pushed by a random amount, without a seed",
        measured=f"two maps of block 1 with other draws have the correlation {shown(pixels)}; with the mean of 4 × 4 "
        f"pixels painted back {shown(cells)}",
        agreement="fact",
        why="a fixed push gives the same map each time",
    )


def _clamp(a: xr.Dataset) -> Finding:
    return Finding(
        topic="Clamp",
        published="images in [−1, 1] are clamped to [0, 1] at every step",
        measured=f"{float(a['clamped'].mean()):.1%} of the values of an image are below mid-grey and would jump to it "
        "at the first step; here bounds are black and white",
        agreement="fact",
        why="half of the range would be lost",
    )


def _below(found: Interval, bound: float) -> bool | None:
    held = above(found, bound)
    return None if held is None else not held


def _either(one: bool | None, other: bool | None) -> bool | None:
    """Whether one of two holds; None where that cannot be told."""
    if one or other:
        return True
    return None if None in (one, other) else False


def _dead(a: xr.Dataset, name: Network) -> str:
    n = dead_images(a, name)
    return f"; {n} images to which the last block does not answer count as a fall of 6" if n else ""


def _of(count: int, finding: Finding) -> Finding:
    """Of a few images nothing is judged."""
    if count >= _ENOUGH:
        return finding
    return replace(finding, agreement="unclear", why=f"{count} images; fewer than {_ENOUGH} give no verdict")


def headline(a: xr.Dataset, findings: tuple[Finding, ...]) -> str:
    """The outcome in plain sentences."""
    reached = " and ".join(
        f"{label} {float(a['accuracy'].sel(part='test', network=name)):.1%}" for name, label in NAMES.items()
    )
    text = f"On {int(a.attrs['n_test']):,} test images of {a.attrs['data_name']} {reached} are right."
    if a.attrs["quick"]:
        return quick_headline(text)
    counts = Counter(f.agreement for f in findings)
    return (
        f"{text} Over {int(a.attrs['n_looked'])} images {counts['agrees']} claims of the publication hold, "
        f"{counts['partly'] + counts['unclear']} hold in part or cannot be told and {counts['differs']} do not."
    )


def messages(a: xr.Dataset) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    found = []
    if a.attrs["quick"]:
        text = "A quick run: few images, one epoch. It shows that everything runs and no more"
        found.append(Message(level="alarm", code="quick", text=text))
    if not a.attrs["published_recipe"]:
        text = f"Not the published training: {a.attrs['recipe_text']}"
        found.append(Message(level="caution", code="own_recipe", text=text))
    text = "One network of each kind: intervals are over images, and another seed of the training moves all of them"
    found.append(Message(level="caution", code="one_seed", text=text))
    return tuple(found)
