"""Indices of masks: an additive score of the cells has them in closed form, a product of two cells too."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, DataError, ModelError
from shiftgauge.explain.baselines import baseline_images
from shiftgauge.explain.mask_sobol import MaskSobolOptions, mask_sobol
from shiftgauge.explain.masks import MaskedImage
from shiftgauge.explain.pixel_bounds import PixelBoundOptions, pixel_bounds
from shiftgauge.models.callable_model import CallableClassifier
from shiftgauge.models.preprocessing import Preprocessing
from small_networks import linear, wrap

SHAPE = (2, 5, 6)
IMAGES = 0.2 + 0.6 * torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


def options(**values):
    return MaskSobolOptions(**{"grid": (2, 3), "baseline": "zero", "score": "logit", "n_base": 64, **values})


def shares(weight_chw, image_chw, baseline_chw) -> np.ndarray:
    """Share of each of 2×3 cells in the variance of a linear score: rows 0-2 and 3-4, columns two by two."""
    effect = (weight_chw * (image_chw - baseline_chw)).double().numpy().sum(axis=0)
    cells = np.add.reduceat(np.add.reduceat(effect, [0, 3], axis=0), [0, 2, 4], axis=1)
    return cells**2 / (cells**2).sum()


@pytest.mark.parametrize("baseline", ["zero", "mean", "blur"])
def test_an_additive_score(baseline):
    net = linear(SHAPE)
    chosen = options(baseline=baseline, threshold=0.0, n_base=2048)
    found = mask_sobol(wrap(net, SHAPE), IMAGES, [0, 2], options=chosen, batch_size=1024)
    for i, k in enumerate((0, 2)):
        weight = net[1].weight[k].detach().reshape(SHAPE)
        truth = shares(weight, IMAGES[i], baseline_images(IMAGES[i : i + 1], baseline, blur_px=1.0)[0])
        np.testing.assert_allclose(found.total_order[i], truth, rtol=0.1, atol=0.002)
        np.testing.assert_allclose(found.first_order[i], truth, atol=0.05)
    assert found.is_open.all()
    assert found.cost["evaluations"] == 2 * 2048 * 8
    assert found.cost["gradients"] == 0
    assert found.rest_limit.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["total_order", "first_order"])
def test_intervals_hold_the_index_as_often_as_they_say(name):
    net, hits = linear(SHAPE), []
    classifier = wrap(net, SHAPE)
    weights = [net[1].weight[k].detach().reshape(SHAPE) for k in (0, 2)]
    truth = [shares(weight, image, 0 * image) for weight, image in zip(weights, IMAGES, strict=True)]
    for seed in range(60):
        found = mask_sobol(classifier, IMAGES, [0, 2], options=options(threshold=0.0, seed=seed), batch_size=4096)
        low, high = np.moveaxis(getattr(found, f"{name}_interval"), -1, 0)
        hits.append((low <= truth) & (truth <= high))
    assert 0.9 < np.mean(hits) < 0.99  # 720 intervals of 95 %


class Product(nn.Module):
    """Class 0: the mean of the left third times that of the right, the middle hardly counts."""

    def forward(self, x):
        left, middle, right = (x[:, :, :, a : a + 2].mean(dim=(1, 2, 3)) for a in (0, 2, 4))
        return torch.stack([left * right + 0.01 * middle, 0 * left], dim=1)


def test_cells_that_act_together_and_a_cell_left_out():
    classifier = wrap(Product(), SHAPE, mean=0.0, std=1.0)
    image = torch.ones(1, *SHAPE)
    found = mask_sobol(classifier, image, 0, options=options(grid=(1, 3), n_base=4096), batch_size=1024)
    assert found.is_open[0, 0].tolist() == [True, False, True]
    # for m·n with both uniform: S = 3/7 and S_T = 4/7 each
    np.testing.assert_allclose(found.total_order[0, 0, [0, 2]], 4 / 7, atol=0.03)
    np.testing.assert_allclose(found.first_order[0, 0, [0, 2]], 3 / 7, atol=0.06)
    middle = 1e-4 / 12 / (7 / 144)
    assert found.total_order_interval[0, 0, 1, 0] == 0
    assert middle <= found.total_order_interval[0, 0, 1, 1] < 2 * middle
    assert found.rest_total_order[0] == pytest.approx(middle, rel=0.1)
    assert found.rest_limit[0] <= 0.05
    assert np.isnan(found.total_order[0, 0, 1])
    np.testing.assert_allclose(found.variance, 7 / 144, rtol=0.1)
    assert found.cost == {**found.cost, "gradients": 256, "evaluations": 4096 * 5}


def test_neither_batch_nor_order_of_images_matters():
    classifier = wrap(linear(SHAPE), SHAPE)
    one = mask_sobol(classifier, IMAGES, 1, options=options(smooth=True), batch_size=5)
    other = mask_sobol(classifier, IMAGES.flip(0), 1, options=options(smooth=True))
    np.testing.assert_allclose(one.total_order, other.total_order[::-1], rtol=1e-4, atol=1e-6)


def test_a_callable_without_gradients_needs_the_threshold_zero():
    weight = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))

    def network(images):
        p = torch.sigmoid((images * weight).sum(dim=(1, 2, 3)) - 5)
        return torch.stack([p, 1 - p], dim=1)

    preprocessing = Preprocessing(channels=2, height=5, width=6)
    classifier = CallableClassifier(network, preprocessing=preprocessing, output_kind="probabilities", fingerprint="n")
    with pytest.raises(ModelError, match="gradients"):
        mask_sobol(classifier, IMAGES, options=options())
    chosen = options(score="log_odds", threshold=0.0, n_base=2048)
    found = mask_sobol(classifier, IMAGES[:1], 0, options=chosen, batch_size=1024)
    np.testing.assert_allclose(found.total_order[0], shares(weight, IMAGES[0], 0 * IMAGES[0]), rtol=0.1, atol=0.002)


def test_progress_ends_and_the_data_set_has_named_axes():
    told = []
    found = mask_sobol(
        wrap(linear(SHAPE), SHAPE), IMAGES, options=options(), progress=lambda done, total: told.append((done, total))
    )
    assert told[-1][0] == told[-1][1] == 2 * (64 * 8 + 256)
    assert [a for a, _ in told] == sorted(a for a, _ in told)
    arrays = found.dataset()
    assert arrays["total_order_interval"].dims == ("image", "row", "column", "end")
    assert arrays.attrs["grid"] == [2, 3]


def test_an_image_that_was_given_as_the_baseline_is_told():
    classifier = wrap(linear(SHAPE), SHAPE)
    black, white = torch.zeros(SHAPE), torch.ones(SHAPE)
    named, given, other = (
        mask_sobol(classifier, IMAGES, 0, options=options(), baseline=b) for b in (None, black, white)
    )
    np.testing.assert_allclose(named.total_order, given.total_order, rtol=1e-6)
    assert (named.baseline, named.baseline_hash) == (options().baseline, "")
    assert given.baseline == other.baseline == given.dataset().attrs["baseline"] == "given"
    assert given.baseline_hash != other.baseline_hash
    assert given.dataset().attrs["baseline_hash"] == given.baseline_hash != ""


def test_masks():
    image = torch.rand(1, 4, 4)
    shown = MaskedImage(image, torch.zeros(1, 4, 4), (2, 2))
    np.testing.assert_allclose(shown(torch.ones(1, 2, 2))[0], image)
    np.testing.assert_allclose(shown(torch.zeros(1, 2, 2))[0], 0)


@pytest.mark.parametrize("blur_px", [None, 2.0])
def test_the_blur_of_a_mask_is_that_of_every_baseline(blur_px):
    classifier, images = wrap(linear((1, 24, 16)), (1, 24, 16)), torch.rand(1, 1, 24, 16)
    own = mask_sobol(classifier, images, 0, options=options(baseline="blur", blur_px=blur_px))
    given = baseline_images(images, "blur", blur_px=2.0)[0]  # an eighth of 16
    other = mask_sobol(classifier, images, 0, options=options(), baseline=given)
    np.testing.assert_array_equal(own.total_order, other.total_order)
    assert own.dataset().attrs["baseline"] == "blur"


def test_masks_go_where_the_image_is():
    image = torch.empty(1, 4, 4, device="meta")
    masks = torch.rand(2, 2, 2, requires_grad=True)
    shown = MaskedImage(image, torch.zeros(1, 4, 4, device="meta"), (2, 2))(masks)
    assert (shown.device.type, tuple(shown.shape), shown.requires_grad) == ("meta", (2, 1, 4, 4), True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_images_on_a_gpu(threshold):
    classifier, images = wrap(linear(torch.ones(3, 16)), (1, 4, 4)), torch.rand(1, 1, 4, 4)
    options = MaskSobolOptions(grid=2, n_base=32, n_gradients=32, threshold=threshold)
    there, here = (mask_sobol(classifier, images.to(d), 0, options=options) for d in ("cuda", "cpu"))
    np.testing.assert_allclose(there.mean, here.mean, rtol=1e-4)
    bounds = [pixel_bounds(classifier, images.to(d), 0, options=PixelBoundOptions(n=64)) for d in ("cuda", "cpu")]
    np.testing.assert_allclose(bounds[0].bound, bounds[1].bound, rtol=1e-3)


def test_a_score_that_the_masks_do_not_change_is_said():
    net = linear(SHAPE)
    nn.init.zeros_(net[1].weight)
    found = mask_sobol(wrap(net, SHAPE), IMAGES[:1], 0, options=options())
    assert "constant_output" in [s.code for s in found.status]
    assert np.isnan(found.total_order).all()


def test_errors():
    classifier = wrap(linear(SHAPE), SHAPE)
    with pytest.raises(DataError, match="finer"):
        mask_sobol(classifier, IMAGES, options=options(grid=6))
    with pytest.raises(DataError, match="baseline"):
        mask_sobol(classifier, IMAGES, options=options(), baseline=torch.zeros(1, 2, 2))
    with pytest.raises(ConfigError, match="baseline"):
        MaskSobolOptions(baseline="white")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="blur_px"):
        MaskSobolOptions(blur_px=0)
    with pytest.raises(ConfigError, match="grid"):
        MaskSobolOptions(grid=0)
    with pytest.raises(ConfigError, match="`smooth` must be true or false, got 'no'"):
        MaskSobolOptions(smooth="no")  # pyright: ignore[reportArgumentType]
