"""Claims of the CIFAR-10 study on arrays of known numbers: which verdict each of them gives, and when there is none."""

import numpy as np
import pytest
import xarray as xr

from shiftgauge.studies.cifar_findings import find, headline
from shiftgauge.studies.cifar_numbers import dead_images, depth_ratio, profile_arrays

BLOCKS = {"vgg16": [f"block{k}" for k in range(1, 6)], "resnet18": ["stem", "layer1", "layer2", "layer3", "layer4"]}
FADES, STAYS = [1, 0.3, 0.1, 0.03, 0.01], [50, 1, 1, 1, 0.9]


def over_images(values, n, seed):
    """n images whose numbers are near the given ones."""
    noise = np.random.default_rng(seed).normal(0, 0.02, (n, len(values)))
    return np.asarray(values) * np.exp(noise)


def made(n=100, *, raw=None, own=None, colour=None, rough=(2.0, 3.0), accuracy=(0.86, 0.85, 0.87)):
    """Arrays as the study measures them, in which every claim holds unless something else is given."""
    raw = {"vgg16": FADES, "resnet18": STAYS} | (raw or {})
    own = {"vgg16": FADES, "resnet18": STAYS} | (own or {})
    share, alike = colour or ([0.5, 0.4, 0.2, 0.02, 0.02], [0.3, 0.5, 0.8, 0.99, 0.99])
    sensitivity, relative = (
        np.stack([over_images(kind[name], n, k)[..., None].repeat(3, axis=-1) for k, name in enumerate(BLOCKS)])
        for kind in (raw, own)
    )
    both = {"sensitivity": sensitivity, "relative": relative}
    axes = ("network", "looked", "depth")
    found = xr.Dataset(
        {
            "block": (("network", "depth"), list(BLOCKS.values())),
            **{name: ((*axes, "colour"), values) for name, values in both.items()},
            "share": (axes, np.stack([over_images(share, n, 2)] * 2)),
            "channel_correlation": (axes, np.stack([np.minimum(over_images(alike, n, 3), 1)] * 2)),
            "edges": (axes, np.stack([over_images([0.4, 0.3, 0.2, 0.1, 0.1], n, 4)] * 2)),
            "pair_roughness": (("network", "pair"), [over_images([v], n, 5)[:, 0] for v in rough[::-1]]),
            "repeated": (("network", "shown", "depth"), np.full((2, 2, 5), 0.3)),
            "repeated_cells": (("network", "shown", "depth"), np.full((2, 2, 5), 0.8)),
            "clamped": ("looked", np.full(n, 0.5)),
            "accuracy": (("part", "network"), np.full((1, 2), accuracy[0])),
            "accuracy_interval": (("part", "network", "bound"), np.broadcast_to(accuracy[1:], (1, 2, 2)).copy()),
        },
        coords={"network": list(BLOCKS), "part": ["test"], "bound": ["low", "high"]},
    )
    found.attrs = {"quick": 0, "n_looked": n, "n_test": 10, "data_name": "made up"}
    return found


def verdicts(arrays):
    return {finding.topic: finding.agreement for finding in find(arrays)}


def test_numbers_as_published_agree():
    found = verdicts(made())
    assert found.pop("Random push") == found.pop("Clamp") == "fact"
    assert len(found) == 7
    assert set(found.values()) == {"agrees"}


@pytest.mark.parametrize(
    ("value", "half", "verdict"),
    [(0.85, 0.007, "agrees"), (0.830, 0.0075, "unclear"), (0.77, 0.08, "unclear"), (0.80, 0.01, "differs")],
)
def test_accuracy_is_held_against_the_published_one_less_a_tolerance(value, half, verdict):
    assert verdicts(made(accuracy=(value, value - half, value + half)))["VGG-16, accuracy"] == verdict


@pytest.mark.parametrize(
    ("share", "alike", "verdict"),
    [
        ((0.02, 0.005), (0.95, 0.99), "partly"),  # no block shows colour
        ((0.5, 0.02), (0.3, 0.99), "agrees"),
        ((0.02, 0.02), (0.3, 0.99), "agrees"),  # maps of equal means, and unlike in block 1 alone
        ((0.5, 0.02), (0.3, 0.4), "partly"),  # still unlike in block 4, where means are equal
        ((0.5, 0.3), (0.3, 0.99), "partly"),
        ((0.2, 0.5), (0.8, 0.3), "differs"),
        ((0.02, 0.5), (0.99, 0.3), "differs"),
    ],
)
def test_colour_shows_in_size_or_in_pattern(share, alike, verdict):
    colour = ([share[0], 0.2, 0.2, share[1], 0.9], [alike[0], 0.5, 0.5, alike[1], 0.1])
    assert verdicts(made(colour=colour))["Colour"] == verdict


RISES, LEVEL = [1, 1, 1, 1, 2], [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("raw", "own", "verdict"),
    [(FADES, FADES, "agrees"), (FADES, RISES, "partly"), (RISES, RISES, "differs"), (LEVEL, RISES, "unclear")],
)
def test_decay_in_vgg_counts_raw_and_relative(raw, own, verdict):
    arrays = made(raw={"vgg16": raw}, own={"vgg16": own})
    if raw is LEVEL:  # half of the images above and half below
        arrays["sensitivity"].loc[{"network": "vgg16"}] = np.where(np.arange(100) % 2, 0.9, 1.1)[:, None, None]
        arrays["sensitivity"].loc[{"network": "vgg16"}][:, 0] = 1
    assert verdicts(arrays)["VGG-16, depth"] == verdict


def test_resnet_is_held_against_vgg_raw_and_relative():
    published = [10, 10, 1, 1, 1]
    assert verdicts(made(raw={"resnet18": published}, own={"resnet18": published}))["ResNet-18, depth"] == "agrees"
    kept_raw = made(own={"vgg16": [1, 1, 1, 1, 0.5], "resnet18": [1, 1, 1, 1, 0.005]})
    assert verdicts(kept_raw)["ResNet-18, depth"] == "partly"
    swapped = {"vgg16": LEVEL, "resnet18": [1, *FADES[:4]]}
    assert verdicts(made(raw=swapped, own=swapped))["ResNet-18, depth"] == "differs"


def test_a_stem_before_the_blocks_is_left_out():
    arrays = made(raw={"resnet18": [1000, 10, 5, 2, 1]})
    assert depth_ratio(arrays, "resnet18", "sensitivity").mean() == pytest.approx(-1, abs=0.02)


def test_a_last_block_that_does_not_answer_counts_as_decay():
    arrays = made(raw={"vgg16": LEVEL}, own={"vgg16": RISES})
    arrays["sensitivity"].loc[{"network": "vgg16"}][:60, -1] = 0
    arrays["relative"].loc[{"network": "vgg16"}][:60, -1] = np.nan  # as of an output of size 0
    assert dead_images(arrays, "vgg16") == 60
    assert np.isfinite(depth_ratio(arrays, "vgg16", "relative")).all()
    found = {finding.topic: finding for finding in find(arrays)}
    assert found["VGG-16, depth"].agreement == "agrees"
    assert "60 images" in found["VGG-16, depth"].measured


@pytest.mark.parametrize(("rough", "verdict"), [((2, 3), "agrees"), ((3, 2), "differs")])
def test_blur_is_judged_pair_by_pair(rough, verdict):
    assert verdicts(made(rough=rough))["Raised classes"] == verdict


def test_edges_that_cannot_be_told_from_none_are_left_open():
    arrays = made()
    for centre, verdict in ((0.1, "partly"), (0.0, "unclear"), (-0.1, "differs")):
        arrays["edges"][:] = (centre + np.where(np.arange(100) % 2, 0.05, -0.05))[None, :, None]
        assert verdicts(arrays)["Edges"] == verdict


def test_each_claim_needs_enough_images_of_its_own():
    arrays = made()
    few_pairs = arrays.assign(pair_roughness=arrays["pair_roughness"].where(np.arange(100) < 99))
    found = verdicts(few_pairs)
    assert (found["Raised classes"], found["Colour"]) == ("unclear", "agrees")
    few = verdicts(made(99))
    assert {few[topic] for topic in ("Colour", "Edges", "VGG-16, depth", "ResNet-18, depth")} == {"unclear"}
    assert few["VGG-16, accuracy"] == "agrees"


def test_a_quick_run_leaves_every_claim_open():
    arrays = made()
    arrays.attrs["quick"] = 1
    found = find(arrays)
    assert {finding.agreement for finding in found} == {"unclear", "fact"}
    assert headline(arrays, found).startswith("Quick run, no result:")


def test_the_profile_counts_only_images_with_a_number():
    arrays = made(10)
    arrays["share"].loc[{"network": "vgg16"}][:5, 2] = np.nan
    found = profile_arrays(arrays)
    values = arrays["share"].sel(network="vgg16").values[5:, 2]
    low, high = found["profile_interval"].sel(figure="share", network="vgg16").values[2]
    assert float(found["profile"].sel(figure="share", network="vgg16")[2]) == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(2.7764 * values.std(ddof=1) / np.sqrt(5), rel=1e-4)  # t of 4 degrees
