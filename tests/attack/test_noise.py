"""Noise: how large it is, how it is spread, how loud it is."""

import numpy as np
import pytest
import torch

from attack_cases import conv, images_of, labelled
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.noise import GaussianNoise, UniformNoise
from shiftgauge.errors import ConfigError
from small_networks import linear, wrap


def _noise(attack, budget, n=200, **more):
    classifier = conv(mean=0.5, std=0.25)
    images = images_of(n)
    found = attack_images(classifier, images, [0] * n, attack, budget, **more)
    return images, found, (found.images.double() - images.double()).numpy()


def test_uniform_noise_fills_the_ball_evenly():
    _, found, noise = _noise(UniformNoise(), Budget(epsilon=0.1))
    assert np.abs(noise).max() <= 0.1
    assert noise.mean() == pytest.approx(0, abs=0.001)
    assert noise.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.01)
    counts = np.histogram(noise, bins=10, range=(-0.1, 0.1))[0]
    assert counts.min() > 0.95 * counts.mean()
    assert found.gradients == 0


def test_uniform_noise_is_4_77_decibels_quieter_than_a_sign_step():
    classifier = wrap(linear())
    images, labels = labelled(classifier, 100)
    loud = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=0.05))
    quiet = attack_images(classifier, images, labels, UniformNoise(), Budget(epsilon=0.05))
    assert quiet.set_snr_db - loud.set_snr_db == pytest.approx(10 * np.log10(3), abs=0.05)


@pytest.mark.parametrize("attack", [UniformNoise(), GaussianNoise()])
@pytest.mark.parametrize("unit", ["pixel", "input"])
def test_noise_asked_for_in_decibels_has_them_exactly(attack, unit):
    for norm in ("linf", "l2"):
        _, found, _ = _noise(attack, Budget.from_snr(35, unit=unit, norm=norm), n=20)
        np.testing.assert_allclose(found.snr_db, 35, atol=1e-4)
        assert found.norm == "l2"
    _, found, _ = _noise(attack, Budget.from_snr(35, unit=unit, of="set"), n=20)
    assert found.set_snr_db == pytest.approx(35, abs=1e-4)
    assert np.ptp(found.snr_db) > 0.1


@pytest.mark.parametrize("attack", [UniformNoise(), GaussianNoise()])
def test_noise_in_an_l2_ball_has_its_length(attack):
    _, found, noise = _noise(attack, Budget(epsilon=0.5, norm="l2"))
    np.testing.assert_allclose(np.linalg.norm(noise.reshape(200, -1), axis=1), 0.5, rtol=1e-5)
    kurtosis = (noise**4).mean() / (noise**2).mean() ** 2
    assert kurtosis == pytest.approx(3 if isinstance(attack, GaussianNoise) else 1.8, rel=0.05)
    assert found.distance.max() <= 0.5


def test_range_of_pixels_is_kept_and_makes_noise_quieter():
    _, free, _ = _noise(UniformNoise(), Budget(epsilon=0.6))
    _, kept, _ = _noise(UniformNoise(), Budget(epsilon=0.6, bounds=(0, 1)))
    assert (float(kept.images.min()), float(kept.images.max())) == (0, 1)
    assert kept.set_snr_db > free.set_snr_db


def test_noise_follows_the_seed_and_the_stream_and_no_network():
    _, first, _ = _noise(UniformNoise(), Budget(epsilon=0.1), n=6)
    _, again, _ = _noise(UniformNoise(), Budget(epsilon=0.1), n=6)
    _, other, _ = _noise(UniformNoise(), Budget(epsilon=0.1), n=6, seed=1)
    _, turned, _ = _noise(UniformNoise(), Budget(epsilon=0.1), n=6, streams=[5, 4, 3, 2, 1, 0])
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    start = images_of(6)
    assert torch.equal((turned.images - start)[5], (first.images - start)[0]) or torch.allclose(
        (turned.images - start)[5], (first.images - start)[0], atol=1e-7
    )


def test_one_draw_serves_all_sizes():
    classifier = conv()
    images = images_of(5)
    budgets = [Budget(epsilon=e) for e in (0.125, 0.25)]
    curve = budget_curve(classifier, images, [0] * 5, UniformNoise(), budgets, keep_images=True)
    small, large = (curve.images[b] - images for b in range(2))
    assert torch.allclose(2 * small, large, atol=2e-7)


def test_gaussian_noise_fits_no_box():
    with pytest.raises(ConfigError, match=r"no largest value.*give `norm` l2"):
        _noise(GaussianNoise(), Budget(epsilon=0.1), n=2)
