"""Deletion and insertion against slow loops and closed forms; controls, ties, any classifier."""

import numpy as np
import pytest
import torch

from fakes import MeanClassifier
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.baselines import baseline_images
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.explain.curve_rows import ranks
from shiftgauge.explain.curves import deletion_insertion
from small_networks import ConvNet, Several, linear, wrap


def pictures(n=3, shape=(3, 8, 8)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("channels", "quantity"), [(3, "probability"), (1, "logit")])
def test_curves_are_those_of_a_slow_loop(channels, quantity):
    shape = (channels, 8, 8)
    classifier, images = wrap(ConvNet(channels=channels), shape), pictures(2, shape)
    maps = np.random.default_rng(1).normal(size=(2, 8, 8))
    options = CurveOptions(steps=5, quantity=quantity, deletion_baseline="zero", insertion_baseline="mean")
    found = deletion_insertion(classifier, images, maps, targets=[1, 3], options=options)
    counts = [0, 13, 26, 38, 51, 64]
    np.testing.assert_allclose(found.fraction, np.array(counts) / 64)
    for i, place in enumerate([1, 3]):
        order = np.argsort(-maps[i].ravel())
        for k, count in enumerate(counts):
            deleted, inserted = images[i].reshape(channels, 64).clone(), images[i].reshape(channels, 64).clone()
            mean = images[i].reshape(channels, 64).mean(dim=1)
            for pixel in order[:count]:
                deleted[:, pixel] = 0
            for pixel in order[count:]:
                inserted[:, pixel] = mean
            for row, curve in ((deleted, found.deletion), (inserted, found.insertion)):
                out = classifier.outputs(row.reshape(1, *shape)).double()
                score = out.softmax(dim=1) if quantity == "probability" else out
                assert curve[i, k] == pytest.approx(score[0, place].item(), abs=1e-5)


def test_the_right_order_of_a_linear_network_gives_the_best_areas():
    classifier, images = wrap(linear()), pictures(4)
    found = attribute(
        classifier, images, 1, method="occlusion", options=AttributionOptions(window_px=1, stride_px=1, baseline="mean")
    )
    options = CurveOptions(steps=16, quantity="logit", insertion_baseline="mean", random_orders=6)
    curves = deletion_insertion(classifier, images, found, options=options)
    areas = curves.areas()
    assert (areas["deletion"][:, None] < areas["random_deletion"]).all()
    assert (areas["insertion"][:, None] > areas["random_insertion"]).all()
    assert curves.places.tolist() == [1] * 4
    table = curves.table().set_index("curve")
    assert (table.gain_low > 0).all()
    assert table.loc["deletion", "gain"] == pytest.approx((areas["random_deletion"].mean() - areas["deletion"]).mean())
    # with one baseline and a linear logit both curves mirror each other
    np.testing.assert_allclose(
        curves.deletion + curves.insertion, curves.deletion[:, :1] + curves.insertion[:, :1] + 0 * curves.deletion,
        atol=1e-4,
    )  # fmt: skip
    worst = deletion_insertion(classifier, images, -found.maps("signed"), targets=1, options=options).table()
    assert (worst.gain_high < 0).all()


def test_ends_are_the_image_and_the_baselines_in_every_order():
    classifier, images = wrap(ConvNet()), pictures(2)
    found = deletion_insertion(classifier, images, np.zeros((2, 8, 8)), targets=0, options=CurveOptions(steps=1))
    assert found.deletion.shape == (2, 2)
    assert found.random_insertion.shape == (2, 4, 2)
    plain, grey, blurred = (
        classifier.outputs(x).double().softmax(dim=1)[:, 0].numpy()
        for x in (images, baseline_images(images, "mean"), baseline_images(images, "blur"))
    )
    np.testing.assert_allclose(found.deletion, np.stack([plain, grey], axis=1), atol=1e-6)
    np.testing.assert_allclose(found.insertion, np.stack([blurred, plain], axis=1), atol=1e-6)
    np.testing.assert_array_equal(found.random_deletion, found.deletion[:, None] + np.zeros((1, 4, 1)))


def test_batches_change_nothing_and_seeds_decide():
    classifier, images, seen = wrap(ConvNet()), pictures(3), []
    maps = np.zeros((3, 8, 8))
    one = deletion_insertion(classifier, images, maps, targets=2, options=CurveOptions(steps=3), batch_size=1)
    many = deletion_insertion(
        classifier, images, maps, targets=2, options=CurveOptions(steps=3), progress=lambda i, n: seen.append((i, n))
    )
    np.testing.assert_allclose(one.random_deletion, many.random_deletion, atol=1e-6)
    np.testing.assert_allclose(one.insertion, many.insertion, atol=1e-6)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert one.cost["evaluations"] == 3 * (3 + 2 * 5 * 2)
    other = deletion_insertion(classifier, images, maps, targets=2, options=CurveOptions(steps=3, seed=1))
    assert not np.allclose(other.random_deletion, many.random_deletion)
    alone = deletion_insertion(classifier, images[1:2], maps[:1], targets=2, options=CurveOptions(steps=3))
    np.testing.assert_allclose(alone.random_deletion[0], many.random_deletion[1], atol=1e-6)
    assert many.dataset()["random_deletion"].dims == ("image", "order", "step")


def test_equal_values_come_in_a_random_order():
    found = ranks(np.zeros((8, 8)), 2, np.random.default_rng(0))
    assert found.shape == (3, 8, 8)
    for order in found:
        assert np.array_equal(np.sort(order.ravel()), np.arange(64))
        assert not np.array_equal(order.ravel(), np.arange(64))
    tied = ranks(np.repeat([[1.0, 0.0]], 4, axis=0), 0, np.random.default_rng(0))[0]
    assert set(tied[:, 0]) == {0, 1, 2, 3}


def test_a_classifier_without_gradients_has_curves():
    images = pictures(2, (1, 8, 8))
    found = deletion_insertion(MeanClassifier(), images, images[:, 0].numpy(), targets="bright")
    assert found.deletion.shape == (2, 21)
    assert np.isfinite(found.insertion).all()


def test_baselines_are_what_they_are_called():
    images = pictures(2)
    assert float(baseline_images(images, "zero").abs().max()) == 0
    mean = baseline_images(images, "mean")
    np.testing.assert_allclose(mean[1, 2].numpy(), images[1, 2].mean().item(), atol=1e-6)
    assert float(baseline_images(images, "blur").std()) < float(images.std())
    for name in ("mean", "blur"):
        np.testing.assert_allclose(baseline_images(torch.full((1, 2, 9, 7), 0.3), name), 0.3, rtol=1e-5)
    with pytest.raises(ConfigError, match="did you mean `blur`"):
        baseline_images(images, "blurr")


def test_what_does_not_fit_is_refused():
    classifier, images = wrap(ConvNet(), classes=("good", "scratch", "stain", "dent")), pictures()
    with pytest.raises(DataError, match=r"\(3, 8, 8\), got \(2, 8, 8\)"):
        deletion_insertion(classifier, images, np.zeros((2, 8, 8)))
    with pytest.raises(DataError, match="NaN"):
        deletion_insertion(classifier, images, np.full((3, 8, 8), np.nan))
    with pytest.raises(DataError, match=r"\(N, 3, 8, 8\)"):
        deletion_insertion(classifier, pictures(shape=(3, 9, 8)), np.zeros((3, 9, 8)))
    with pytest.raises(ConfigError, match="did you mean `stain`"):
        deletion_insertion(classifier, images, np.zeros((3, 8, 8)), targets="stian")


def test_an_attribution_of_another_network_or_of_other_images_is_refused():
    images = pictures()
    classifier, other = wrap(ConvNet()), wrap(linear())
    found = attribute(classifier, images, 0, method="saliency")
    options = CurveOptions(steps=2, random_orders=1)
    assert deletion_insertion(classifier, images, found, options=options).deletion.shape == (3, 3)
    with pytest.raises(DataError, match="another network"):
        deletion_insertion(other, images, found, options=options)
    with pytest.raises(DataError, match="other images"):
        deletion_insertion(classifier, images.flip(0), found, options=options)
    assert deletion_insertion(other, images, found.maps(), options=options).deletion.shape == (3, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"deletion_baseline": "white"}, {"insertion_baseline": "white"}, {"blur_px": 0},
     {"quantity": "odds"}, {"maps": "both"}, {"random_orders": 0}, {"confidence_level": 1}, {"seed": -1}],
)  # fmt: skip
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        CurveOptions(**wrong)


def test_labels_that_do_not_exclude_each_other_have_their_own_probability():
    images = pictures(2, (1, 2, 2))
    found = deletion_insertion(Several(), images, images[:, 0], targets="b", options=CurveOptions(steps=1))
    np.testing.assert_allclose(found.deletion[:, 0], images[:, 0, 0, 1].sigmoid(), rtol=1e-6)
