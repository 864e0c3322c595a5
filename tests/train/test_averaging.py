import json

import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.train.averaging import AveragingOptions, View, average_probabilities

FLIPS = AveragingOptions(flips=("horizontal", "vertical"))


def _images(n=4, c=3, height=12, width=12, seed=0):
    return torch.rand(n, c, height, width, generator=torch.Generator().manual_seed(seed))


def _network(symmetric, seed=0):
    """A small network; symmetric kernels and a sum over pixels make its output blind to flips and quarter turns."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        convolution, last = nn.Conv2d(3, 5, 3, padding=1).double(), nn.Linear(5, 2)
    if symmetric:
        weight = convolution.weight.data
        weight = sum(torch.rot90(w, k, (2, 3)) for w in (weight, weight.flip(3)) for k in range(4)) / 8
        convolution.weight.data = weight
    body = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last, nn.Sigmoid()).double()
    return lambda images: body(images.double()).detach()


def test_averaging_of_a_flip_invariant_model_is_the_plain_prediction():
    predict, images = _network(symmetric=True), _images()
    for options in (FLIPS, AveragingOptions(flips=("horizontal",), quarter_turns=(1, 2, 3))):
        found = average_probabilities(predict, images, options)
        torch.testing.assert_close(found, predict(images), rtol=1e-12, atol=1e-12)


def test_averaging_of_equal_float32_outputs_changes_no_bit():
    images = _images()
    plain = torch.rand(4, 2, generator=torch.Generator().manual_seed(1))
    found = average_probabilities(lambda _: plain, images, FLIPS)
    assert bool((found == plain.double()).all())


def test_averaging_is_the_mean_over_the_views_named():
    predict, images = _network(symmetric=False), _images()
    found = average_probabilities(predict, images, FLIPS)
    expected = (predict(images) + predict(images.flip(3)) + predict(images.flip(2))) / 3
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, predict(images), atol=1e-5)


def test_quarter_turns_are_those_of_torch():
    images = _images()
    for turns in (1, 2, 3):
        assert bool((View(quarter_turns=turns).of(images) == torch.rot90(images, turns, (2, 3))).all())


def test_a_rotation_by_ninety_degrees_is_a_quarter_turn():
    images = _images()
    torch.testing.assert_close(View(rotation_deg=90.0).of(images), torch.rot90(images, 1, (2, 3)), atol=1e-5, rtol=0)


def test_rotation_and_scale_are_those_of_an_audit():
    images = _images()
    theta = torch.tensor([[10.0, 0.8]], dtype=torch.float64).expand(4, 2)
    expected = ShiftPipeline(["rotation", "scale"], fill="edge")(images, theta, torch.zeros(4, dtype=torch.int64))
    assert bool((View(rotation_deg=10.0, scale=0.8).of(images, "edge") == expected).all())


def test_the_image_itself_comes_first_and_no_view_twice():
    views = AveragingOptions(
        flips=("horizontal", "horizontal"), quarter_turns=(1,), rotations_deg=(5.0, 0.0), scales=(1.0, 1.2)
    ).views
    assert views[0].is_plain
    assert len(views) == len(set(views)) == 5


def test_no_views_is_the_plain_prediction():
    predict, images = _network(symmetric=False), _images()
    assert AveragingOptions().is_plain
    assert bool((average_probabilities(predict, images, AveragingOptions()) == predict(images)).all())


def test_views_are_plain_values_for_a_record():
    assert AveragingOptions().to_list() == []
    plain = json.loads(json.dumps(FLIPS.to_list()))
    assert [view["flip"] for view in plain] == [None, "horizontal", "vertical"]


def test_quarter_turns_of_oblong_images_are_refused():
    images = _images(height=8)
    with pytest.raises(ConfigError, match="quarter turns need square images, got 8×12"):
        average_probabilities(_network(symmetric=False), images, AveragingOptions(quarter_turns=(1,)))
    View(quarter_turns=2).of(images)


@pytest.mark.parametrize("outputs", [torch.full((4, 2), 3.0), torch.full((4, 2), -0.5), torch.full((4, 2), torch.nan)])
def test_what_is_no_probability_is_not_averaged(outputs):
    with pytest.raises(ModelError, match="only probabilities"):
        average_probabilities(lambda _: outputs, _images(), FLIPS)


def test_predictions_of_another_shape_are_refused():
    with pytest.raises(ModelError, match=r"must have shape \(4, K\), got \(4,\)"):
        average_probabilities(lambda _: torch.zeros(4), _images(), FLIPS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flips": ("diagonal",)}, "unknown flip `diagonal`"),
        ({"flips": "horizontal"}, "`flips` must be a list"),
        ({"quarter_turns": (4,)}, "must be 0, 1, 2 or 3, got 4"),
        ({"rotations_deg": (200.0,)}, r"in \[-180, 180\]"),
        ({"scales": (0.0,)}, r"in \[0.25, 4\]"),
        ({"fill": "mirror"}, "unknown fill"),
    ],
)
def test_changes_outside_their_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        AveragingOptions(**options)
