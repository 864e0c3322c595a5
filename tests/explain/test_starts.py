"""Where an ascent begins: noise, given images, class means; and the scale of the input."""

import numpy as np
import pytest
import torch

from shiftgauge.errors import DataError
from shiftgauge.explain.starts import class_means, given_images, noise_image
from shiftgauge.models.input_scale import InputScale

GREY = InputScale(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))


def test_noise_has_the_stated_spread_about_the_middle_and_stays_in_the_image():
    noise = noise_image((3, 64, 64), GREY, deviation=0.5, seed=0)
    assert noise.dtype == torch.float32
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.03)
    strong = noise_image((3, 64, 64), GREY, deviation=50, seed=0)
    assert (float(strong.min()), float(strong.max())) == (0, 1)
    assert torch.equal(noise, noise_image((3, 64, 64), GREY, deviation=0.5, seed=0))
    assert not torch.equal(noise, noise_image((3, 64, 64), GREY, deviation=0.5, seed=1))


@pytest.mark.parametrize("mean", [0.0, 0.48])
def test_noise_is_about_mid_grey_in_every_scale(mean):
    for scale in (InputScale(mean=(mean,), std=(1.0,)), InputScale(mean=(mean,), std=(0.2,))):
        noise = noise_image((1, 64, 64), scale, deviation=0.1, seed=0)
        assert float(noise.mean()) == pytest.approx(0.5, abs=0.01)
        assert float(noise.std()) == pytest.approx(0.1 * scale.std[0], rel=0.05)


def test_class_means_are_those_of_each_class_however_the_images_come():
    rng = np.random.default_rng(0)
    images, labels = rng.random((30, 3, 4, 5), np.float32), rng.permutation(np.arange(30) % 4)
    expected = np.stack([images[labels == k].mean(axis=0) for k in range(4)])
    for cut in (30, 7, 1):
        pairs = [(torch.from_numpy(images[s : s + cut]), labels[s : s + cut]) for s in range(0, 30, cut)]
        found = class_means(pairs, 4)
        assert found.dtype == np.float32
        assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "empty"),
        ([(np.zeros((0, 1, 2, 2)), np.zeros(0, int))], "empty"),
        ([(np.zeros((2, 1, 2, 2)), [0, 2])], "from 0 to 1"),
        ([(np.zeros((2, 1, 2, 2)), [0, -1])], "from 0 to 1"),
        ([(np.zeros((2, 1, 2, 2)), [0.0, 1.0])], "whole numbers"),
        ([(np.zeros((2, 1, 2, 2)), [0])], "n labels"),
        ([(np.zeros((2, 1, 2, 2)), [0, 0])], "class 1 has no images"),
        ([(np.zeros((1, 1, 2, 2)), [0]), (np.zeros((1, 1, 2, 3)), [1])], "of one size"),
    ],
)
def test_class_means_of_nothing_are_refused(batches, message):
    with pytest.raises(DataError, match=message):
        class_means(batches, 2)


def test_given_images_are_copied():
    one = torch.rand(1, 2, 2, dtype=torch.float64)
    rows = given_images(one, (1, 2, 2), 3)
    assert (rows.shape, rows.dtype) == ((3, 1, 2, 2), torch.float32)
    rows[0] = 0
    assert float(rows[1].abs().sum()) > 0
    assert float(one.abs().sum()) > 0
