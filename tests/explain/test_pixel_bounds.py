"""Bounds of a linear score equal its indices; bounds of any score lie above indices found by pick-freeze."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, DataError, ModelError
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.explain.pixel_bounds import PixelBoundOptions, pixel_bounds
from shiftgauge.models.gradients import pixel_gradient
from small_networks import ConvNet, held, in_place, left_as_it_was, linear, wrap

SHAPE = (2, 3, 4)
IMAGES = 0.3 + 0.4 * torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


def options(**values):
    return PixelBoundOptions(**{"n": 128, "score": "logit", **values})


def test_a_linear_score_has_its_indices_as_bounds():
    net = linear(SHAPE)
    found = pixel_bounds(wrap(net, SHAPE), IMAGES, [0, 2], options=options(n=2048))
    for i, k in enumerate((0, 2)):
        weight = net[1].weight[k].detach().double().numpy().reshape(SHAPE)
        truth = weight**2 / (weight**2).sum()
        np.testing.assert_allclose(found.stein_bound[i], truth, rtol=0.05)
        np.testing.assert_allclose(found.poincare_bound[i], 12 / np.pi**2 * truth, rtol=0.05)
        np.testing.assert_allclose(found.gradient_mean[i], weight / 0.5, rtol=1e-5)
        np.testing.assert_allclose(found.variance[i], (weight**2).sum() / 0.25 * 0.01 / 3, rtol=0.05)
        assert (found.stein_bound_interval[i, ..., 0] <= truth).mean() > 0.9
        assert (found.limit[i] >= truth).mean() > 0.9
    assert found.status == ()
    assert found.cost["evaluations"] == 4096


def test_the_streamed_bounds_are_those_of_the_estimator():
    classifier = wrap(ConvNet(2), SHAPE)
    found = pixel_bounds(classifier, IMAGES[:1], 1, options=options(seed=3, clamp=False))
    base = IMAGES[:1].flatten().double().numpy()
    gradient = pixel_gradient(classifier, lambda z: z[:, 1])
    space = {f"p{i}": [-0.1, 0.1] for i in range(len(base))}
    truth = derivative_bounds(lambda u: gradient(base + u), space, outputs=["y"], n=128, seed=3)
    for name in ("poincare_bound", "stein_bound", "gradient_square", "poincare_bound_interval"):
        values = getattr(found, name)[0]
        np.testing.assert_allclose(values.reshape(getattr(truth, name)[0].shape), getattr(truth, name)[0], rtol=2e-3)


def test_neither_batches_nor_the_score_of_all_logits_change_the_bounds():
    classifier = wrap(ConvNet(2), SHAPE)
    some, others = (
        pixel_bounds(classifier, IMAGES, options=options(score="log_odds"), batch_size=b).bound for b in (7, 128)
    )
    np.testing.assert_allclose(some, others, rtol=1e-4, atol=1e-7)


def test_clamping_keeps_the_range():
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = linear(SHAPE)

        def forward(self, x):
            seen.append((x.detach().min().item(), x.detach().max().item()))
            return self.net(x)

    images = IMAGES.clone()
    images[:, 0, 0, 0], images[:, 0, 0, 1] = 0.0, 1.0
    classifier = wrap(Watched(), SHAPE)
    seen.clear()
    found = pixel_bounds(classifier, images, 0, options=options(delta=0.5))
    assert min(low for low, _ in seen) >= -1 - 1e-6
    assert max(high for _, high in seen) <= 1 + 1e-6
    assert (found.bound[:, 0, 0, :2] > 0).all()


def test_a_pixel_beyond_the_range_may_only_come_back():
    weight = linear(SHAPE)[1].weight[0].detach().double().numpy().reshape(SHAPE)
    images, widths = IMAGES.clone(), np.full(SHAPE, 0.2)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = -0.5, 1.05
    widths[0, 0, :2] = 0.1
    found = pixel_bounds(wrap(linear(SHAPE), SHAPE), images, 0, options=options(n=2048))
    truth = (weight * widths) ** 2 / ((weight * widths) ** 2).sum()
    np.testing.assert_allclose(found.stein_bound, np.broadcast_to(truth, images.shape), rtol=0.05)


def test_over_images_the_bound_holds_for_the_share_of_both():
    net = linear(SHAPE)
    found = pixel_bounds(wrap(net, SHAPE), IMAGES, 0, options=options(over="images", n=4096))
    weight = net[1].weight[0].detach().double().numpy().reshape(SHAPE)
    scores = net((IMAGES - 0.5) / 0.5)[:, 0].detach().double().numpy()
    within = weight**2 / 0.25 * 0.01 / 3
    truth = within / (within.sum() + scores.var())
    assert found.bound.shape == (1, *SHAPE)
    np.testing.assert_allclose(found.stein_bound[0], truth, rtol=0.08)
    np.testing.assert_allclose(found.variance[0], within.sum() + scores.var(), rtol=0.08)


def test_input_scale_cells_and_data_set():
    classifier = wrap(linear(SHAPE), SHAPE, std=0.25)
    pixels, inputs = (
        pixel_bounds(classifier, IMAGES, 0, options=options(scale=scale, delta=delta))
        for scale, delta in (("pixel", 0.05), ("input", 0.2))
    )
    np.testing.assert_allclose(pixels.bound, inputs.bound, rtol=1e-4)
    cells = pixels.cells(2)
    assert cells.shape == (2, 2, 2)
    np.testing.assert_allclose(cells[1, 1, 0], pixels.bound[1, :, 2:, :2].sum())
    arrays = pixels.dataset()
    assert arrays["poincare_bound_interval"].dims == ("image", "channel", "y", "x", "end")
    assert arrays["target"].values.tolist() == ["class 0", "class 0"]
    assert arrays.attrs["delta"] == 0.05


def test_a_score_that_does_not_vary_is_said():
    net = linear(SHAPE)
    nn.init.zeros_(net[1].weight)
    found = pixel_bounds(wrap(net, SHAPE), IMAGES[:1], 0, options=options())
    assert [s.code for s in found.status] == ["constant_output"]
    assert np.isnan(found.bound).all()


def test_a_network_that_writes_into_its_input_has_the_bounds_of_one_that_does_not():
    found, plain = in_place()
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    ours, truth = (pixel_bounds(c, images, 1, options=options()).poincare_bound for c in (found, plain))
    np.testing.assert_allclose(ours, truth, rtol=1e-3, atol=1e-7)
    assert torch.equal(images, before)


@pytest.mark.parametrize("make", [ConvNet, held])
def test_progress_and_the_network_is_left_as_it_was(make):
    net, told = make(2), []
    classifier = wrap(net, SHAPE)
    assert (classifier.module is net) == (make is held)
    with left_as_it_was(net), left_as_it_was(classifier.module):
        pixel_bounds(classifier, IMAGES, options=options(n=64), progress=lambda done, total: told.append((done, total)))
    assert told == [(32, 128), (64, 128), (96, 128), (128, 128)]


def test_errors():
    classifier = wrap(linear(SHAPE), SHAPE)
    with pytest.raises(ConfigError, match="delta"):
        PixelBoundOptions(delta=0)
    with pytest.raises(ConfigError, match="score"):
        pixel_bounds(classifier, IMAGES, options=options(score="loss"))
    with pytest.raises(ConfigError, match="class 1"):
        pixel_bounds(classifier, IMAGES, "class 11")
    with pytest.raises(ConfigError, match="one for each of the 2 images"):
        pixel_bounds(classifier, IMAGES, [0])
    with pytest.raises(DataError, match="2, 3, 4"):
        pixel_bounds(classifier, IMAGES[:, :1])
    with pytest.raises(ModelError, match="gradients"):
        pixel_bounds(nn.Identity(), IMAGES)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="`clamp` must be true or false, got 'no'"):
        PixelBoundOptions(clamp="no")  # pyright: ignore[reportArgumentType]
