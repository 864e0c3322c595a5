"""What the CIFAR-10 study finds: each claim of the publication beside its number over many images."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.explain.mean_interval import mean_interval
from shiftgauge.results.status import Message
from shiftgauge.results.study import Agreement, Finding
from shiftgauge.studies.cifar_recipe import PUBLISHED_ACCURACY, Network
from shiftgauge.types import FloatArray

NAMES: Final[dict[Network, str]] = {"vgg16": "VGG-16", "resnet18": "ResNet-18"}
_ENOUGH: Final = 100
_TOLERANCE: Final = 0.015
_KEPT: Final = 1 / 3
"""Sensitivity that is at least this share of the first block's counts as preserved."""
_FEW: Final = 0.1
"""A share of the variance below this counts as none."""
Interval = tuple[float, float, float]


def find(a: xr.Dataset) -> tuple[Finding, ...]:
    """Returns the findings, in the order of the publication.

    Args:
        a: Arrays of the study.
    """
    enough = int(a.attrs["n_looked"]) >= _ENOUGH
    judged = [_accuracy(a, name) for name in NAMES]
    if a.attrs["quick"]:
        judged = [Finding(**{**f.__dict__, "agreement": "unclear", "why": "a quick run"}) for f in judged]
    judged += [_weak(finding, enough) for finding in (_colour(a), _decay(a), _preserved(a), _edges(a))]
    return (*judged, _weak(_blurred(a), enough), _amplitude(a), _clamp(a))


def mean_of(values: FloatArray) -> Interval:
    """Mean over images, and its interval.

    Example:
        >>> tuple(round(v, 2) for v in mean_of(np.array([1.0, 2.0, 3.0])))
        (2.0, -0.48, 4.48)
    """
    mean, low, high = mean_interval(values)
    return float(mean), float(low), float(high)


def shown(found: Interval, digits: int = 3) -> str:
    """A value and its interval in words; the value alone where there is no interval.

    Example:
        >>> shown((0.5, 0.4, 0.6), 1)
        '0.5 [0.4, 0.6]'
    """
    if np.isnan(found[1]):
        return f"{found[0]:.{digits}f}"
    return f"{found[0]:.{digits}f} [{found[1]:.{digits}f}, {found[2]:.{digits}f}]"


def depth_ratio(a: xr.Dataset, name: Network, kind: str) -> FloatArray:
    """log10 of the last block's sensitivity over the first's, for each image; a stem before the blocks is left out.

    Args:
        a: Arrays of the study.
        name: The network.
        kind: `sensitivity`, or `relative` to the block's own size.
    """
    values = a[kind].sel(network=name).mean("colour").values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values[:, -1] / values[:, int(str(a["block"].sel(network=name).values[0]) == "stem")])


def colour_shares(a: xr.Dataset, name: Network) -> tuple[FloatArray, FloatArray]:
    """Share of the variance between colours in the first block and in the fourth, for each image."""
    values = a["share"].sel(network=name).values
    return values[:, 0], values[:, min(3, values.shape[1] - 1)]


def _accuracy(a: xr.Dataset, name: Network) -> Finding:
    value = float(a["accuracy"].sel(part="test", network=name))
    low, high = a["accuracy_interval"].sel(part="test", network=name).values.tolist()
    published = PUBLISHED_ACCURACY[name]
    agreement: Agreement = "agrees" if low - _TOLERANCE <= published <= high + _TOLERANCE else "differs"
    if value > published:
        agreement = "agrees"
    return Finding(
        topic=f"{NAMES[name]}, accuracy",
        published=f"{published:.1%} on test after 15 epochs",
        measured=f"{shown((value, low, high))} on test",
        agreement=agreement,
        why=f"holds when it is no more than {_TOLERANCE:.1%} below the published one",
    )


def _colour(a: xr.Dataset) -> Finding:
    first, fourth = colour_shares(a, "vgg16")
    gap, last = mean_of(first - fourth), mean_of(fourth)
    agreement: Agreement = "differs"
    if gap[1] > 0:
        agreement = "agrees" if last[2] < _FEW else "partly"
    alike = a["channel_correlation"].sel(network="vgg16").values
    return Finding(
        topic="Colour",
        published="block 1 depends on the colour channel, block 4 does not",
        measured=f"share of a map's variance between colours {shown(mean_of(first))} in block 1, {shown(last)} in "
        f"block 4, difference {shown(gap)}; correlation of two colours' maps {shown(mean_of(alike[:, 0]))} and "
        f"{shown(mean_of(alike[:, min(3, alike.shape[1] - 1)]))}",
        agreement=agreement,
        why=f"holds when the share falls and ends below {_FEW}",
    )


def _decay(a: xr.Dataset) -> Finding:
    raw, own = (mean_of(depth_ratio(a, "vgg16", kind)) for kind in ("sensitivity", "relative"))
    agreement: Agreement = "differs"
    if raw[2] < 0:
        agreement = "agrees" if own[2] < 0 else "partly"
    return Finding(
        topic="VGG-16, depth",
        published="sensitivity decays with depth, from 1 in block 1 to 0.01 in block 5",
        measured=f"log10 of the last block over the first {shown(raw, 2)}; relative to the size of each block's output "
        f"{shown(own, 2)}",
        agreement=agreement,
        why="in part: smaller in the last block, but so are its outputs",
    )


def _preserved(a: xr.Dataset) -> Finding:
    raw, own = (mean_of(depth_ratio(a, "resnet18", kind)) for kind in ("sensitivity", "relative"))
    gaps = [
        mean_of(depth_ratio(a, "resnet18", kind) - depth_ratio(a, "vgg16", kind))
        for kind in ("sensitivity", "relative")
    ]
    kept, more = raw[1] > np.log10(_KEPT), gaps[0][1] > 0
    return Finding(
        topic="ResNet-18, depth",
        published="sensitivity is preserved with depth, unlike in VGG-16",
        measured=f"log10 of the last block over the first {shown(raw, 2)}, relative {shown(own, 2)}; more than in "
        f"VGG-16 by {shown(gaps[0], 2)}, relative by {shown(gaps[1], 2)}",
        agreement="agrees" if kept and more else "partly" if kept or more else "differs",
        why="preserved: at least a third of the first block's; in part: that alone, or more than in VGG-16 alone",
    )


def _edges(a: xr.Dataset) -> Finding:
    values = a["edges"].sel(network="vgg16").values
    first, last = mean_of(values[:, 0]), mean_of(values[:, -1])
    return Finding(
        topic="Edges",
        published="block 1 of VGG-16 answers to edges and corners",
        measured=f"correlation of the map with the steepness of the image {shown(first)} in block 1, {shown(last)} in "
        "the last",
        agreement="agrees" if first[1] > 0.2 else "partly" if first[1] > 0 else "differs",
        why="holds from 0.2 on",
    )


def _blurred(a: xr.Dataset) -> Finding:
    vgg, res = (mean_of(a["pair_roughness"].sel(network=name).values) for name in NAMES)
    gap = mean_of(a["pair_roughness"].sel(network="resnet18").values - a["pair_roughness"].sel(network="vgg16").values)
    return Finding(
        topic="Raised classes",
        published="images that raise a class are more blurred with ResNet-18 than with VGG-16",
        measured=f"total variation of the change over its size {shown(res)} with ResNet-18, {shown(vgg)} with VGG-16, "
        f"difference {shown(gap)}",
        agreement="agrees" if gap[2] < 0 else "differs" if gap[1] > 0 else "unclear",
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


def _weak(finding: Finding, enough: bool) -> Finding:
    """Of a few images nothing is judged."""
    if enough:
        return finding
    return Finding(**{**finding.__dict__, "agreement": "unclear", "why": f"fewer than {_ENOUGH} images"})


def headline(a: xr.Dataset, findings: tuple[Finding, ...]) -> str:
    """The outcome in plain sentences."""
    reached = " and ".join(
        f"{label} {float(a['accuracy'].sel(part='test', network=name)):.1%}" for name, label in NAMES.items()
    )
    text = f"On {int(a.attrs['n_test']):,} test images of {a.attrs['data_name']} {reached} are right."
    if a.attrs["quick"]:
        return f"Quick run, no result: {text[0].lower()}{text[1:]}"
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
