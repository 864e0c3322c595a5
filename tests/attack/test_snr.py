"""Signal-to-noise ratios: published numbers, two ways to take them, ε for a ratio."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.attack.snr import epsilon_for_snr, image_rms, set_rms, set_snr_db, snr_db, snr_for_epsilon
from shiftgauge.errors import ConfigError, DataError

PUBLISHED = {0.001: 59.76, 0.003: 50.22, 0.005: 45.78, 0.009: 40.67, 0.010: 39.76, 0.021: 33.31, 0.03: 30.22}
"""ε of a sign perturbation → dB, of the published test images, whose root mean square is 0.9725."""


@pytest.mark.parametrize(("epsilon", "decibel"), PUBLISHED.items())
def test_published_ratios_follow_from_the_root_mean_square(epsilon, decibel):
    assert float(snr_for_epsilon(epsilon, 0.9725)) == pytest.approx(decibel, abs=0.01)
    images = np.random.default_rng(0).normal(size=(7, 1, 8, 8))
    images *= 0.9725 / set_rms(images)
    signs = np.where(np.random.default_rng(1).random(images.shape) < 0.5, -1, 1)
    assert set_snr_db(images, images + epsilon * signs) == pytest.approx(decibel, abs=0.01)


def test_ratio_of_a_set_is_not_the_mean_of_its_images():
    images = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 0.01)])
    changed = images + 0.1
    each = snr_db(images, changed)
    assert each.round(6).tolist() == [20.0, -20.0]
    assert set_snr_db(images, changed) == pytest.approx(10 * np.log10((1 + 0.0001) / 2 / 0.01))


def test_no_change_is_infinite_and_quiet():
    images = torch.rand(3, 1, 4, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert snr_db(images, images).tolist() == [np.inf] * 3
        assert set_snr_db(images, images) == np.inf
        assert float(snr_for_epsilon(0.0, 0.5)) == np.inf
        assert float(epsilon_for_snr(np.inf, 0.5)) == 0.0
        dark = torch.zeros(2, 1, 2, 2)
        assert snr_db(dark, dark).tolist() == [np.inf] * 2
        assert snr_db(dark, dark + 0.1).tolist() == [-np.inf] * 2


@given(st.floats(1e-6, 10), st.floats(1e-3, 5), st.sampled_from(["linf", "l2"]), st.integers(1, 3072))
def test_conversion_there_and_back(epsilon, rms, norm, n_values):
    decibel = snr_for_epsilon(epsilon, rms, norm=norm, n_values=n_values)
    assert float(epsilon_for_snr(decibel, rms, norm=norm, n_values=n_values)) == pytest.approx(epsilon, rel=1e-9)


def test_l2_ball_of_a_ratio_has_the_length_that_the_ratio_says():
    images = torch.rand(4, 3, 8, 8, dtype=torch.float64)
    epsilon = epsilon_for_snr(30.0, image_rms(images), norm="l2", n_values=192)
    way = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    way *= torch.from_numpy(epsilon).view(4, 1, 1, 1) / way.flatten(1).norm(dim=1).view(4, 1, 1, 1)
    np.testing.assert_allclose(snr_db(images, images + way), 30.0)


def test_what_has_no_ratio_is_refused():
    with pytest.raises(DataError, match="one shape"):
        snr_db(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(DataError, match="at least one image"):
        snr_db(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(DataError, match="NaN or infinite"):
        snr_db(np.zeros((1, 3)), np.full((1, 3), np.nan))
    with pytest.raises(ConfigError, match="`epsilon` must be finite and ≥ 0"):
        snr_for_epsilon(-0.1, 1.0)
    with pytest.raises(ConfigError, match="number of decibels"):
        epsilon_for_snr(float("nan"), 1.0)
    with pytest.raises(ConfigError, match="`linf`"):
        snr_for_epsilon(0.1, 1.0, norm="lin")
