import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from shiftgauge.shifts import draw, sensor
from shifts.samples import smooth_images


def one(value):
    return torch.tensor([float(value)], dtype=torch.float64)


def normal_like(image, stream=0):
    return draw.normal(0, "test", torch.full((len(image),), stream), tuple(image.shape[1:]))


@pytest.mark.parametrize("std", [0.01, 0.05, 0.1])
def test_gaussian_noise_has_its_standard_deviation(std):
    image = torch.full((1, 3, 200, 200), 0.5)
    error = sensor.gaussian_noise(image, one(std), normal_like(image)) - image
    assert error.std().item() == pytest.approx(std, rel=0.01)
    assert abs(error.mean().item()) < 4 * std / np.sqrt(120_000)


@pytest.mark.parametrize("snr_db", [15, 25, 40])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_stated_signal_to_noise_ratio_is_achieved(snr_db, channels):
    image = smooth_images(1, channels=channels, height=150, width=150)
    noise = (sensor.noise_snr(image, one(snr_db), normal_like(image)) - image).double()
    achieved = 10 * torch.log10((image.double() ** 2).mean() / (noise**2).mean())
    assert achieved.item() == pytest.approx(snr_db, abs=0.15)


def test_noise_at_a_ratio_leaves_a_black_image_black():
    black = torch.zeros(1, 3, 8, 8)
    assert sensor.noise_snr(black, one(0), normal_like(black)).max() < 1e-12


@pytest.mark.parametrize("mean", [0.3, 2, 3.9, 4.1, 12, 40, 900])
def test_shot_noise_has_the_law_of_poisson(mean):
    image = torch.full((1, 1, 400, 400), 1 / 64)
    photons = 64 * mean
    z = normal_like(image)
    count = sensor.shot_noise(image, one(photons), z).double() * photons
    assert count.mean().item() == pytest.approx(mean, abs=4 * np.sqrt(mean / 160_000))
    assert count.var().item() == pytest.approx(mean, rel=0.02)
    theirs = stats.poisson.ppf(stats.norm.cdf(z.double().numpy()), mean)
    assert np.mean(np.abs(count.numpy() - theirs) > 0.01) < 0.003
    assert np.abs(count.numpy() - theirs).max() < 1.01


def test_shot_noise_is_quieter_with_more_light():
    image = smooth_images(1)
    z = normal_like(image)
    errors = [(sensor.shot_noise(image, one(p), z) - image).abs().mean().item() for p in (10, 100, 1e4, 1e8, 1e11)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5


@pytest.mark.parametrize("fraction", [0.02, 0.3, 1.0])
def test_salt_and_pepper_sticks_the_stated_share_of_pixels(fraction):
    image = torch.full((1, 3, 300, 300), 0.5)
    u = draw.uniform(0, "test", torch.zeros(1).long(), (1, 300, 300))
    stuck = sensor.salt_pepper(image, one(fraction), u)
    spread = 4 * np.sqrt(fraction / 2 / 90_000)
    assert (stuck == 0).double().mean().item() == pytest.approx(fraction / 2, abs=spread)
    assert (stuck == 1).double().mean().item() == pytest.approx(fraction / 2, abs=spread)
    assert torch.equal(stuck[:, 0], stuck[:, 2])
    less = sensor.salt_pepper(image, one(fraction / 2), u)
    assert ((less != 0.5) <= (stuck != 0.5)).all()


def test_bit_depth_gives_that_many_even_levels():
    ramp = torch.linspace(0, 1, 1001).view(1, 1, 1, -1)
    for bits, levels in ((1, 2), (2, 4), (2.5, 6), (5, 32)):
        seen = sensor.bit_depth(ramp, one(bits))
        assert torch.allclose(seen.unique(), torch.linspace(0, 1, levels), atol=1e-6)
        assert (seen - ramp).abs().max() <= 0.5 / (levels - 1) + 1e-6


def test_eight_bits_leave_an_eight_bit_image_bit_for_bit():
    image = (torch.arange(256).float() / 255).view(1, 1, 16, 16)
    assert torch.equal(sensor.bit_depth(image, one(8)), image)


def through_pillow(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).astype(np.float32) / 255


@pytest.mark.parametrize("quality", [1, 30, 75.4, 100])
def test_jpeg_is_what_pillow_writes_and_reads(quality):
    image = (torch.rand(1, 3, 40, 52) * 255).round() / 255
    pixels = (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    colour = sensor.jpeg_quality(image, one(quality))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(colour, through_pillow(pixels, round(quality)))
    grey = sensor.jpeg_quality(image[:, :1], one(quality))[0, 0].numpy()
    assert np.array_equal(grey, through_pillow(np.ascontiguousarray(pixels[..., 0]), round(quality)))


def test_jpeg_of_other_channel_counts_is_coded_channel_by_channel():
    image = (smooth_images(1, channels=5) * 255).round() / 255
    coded = sensor.jpeg_quality(image, one(20))
    assert torch.equal(coded[:, 3:4], sensor.jpeg_quality(image[:, 3:4], one(20)))


def test_jpeg_just_below_off_is_off_after_rounding():
    image = torch.rand(2, 3, 9, 9)
    coded = sensor.jpeg_quality(image, torch.tensor([100.6, 100.4]))
    assert torch.equal(coded[0], image[0])
    assert not torch.equal(coded[1], image[1])


@pytest.mark.parametrize("area", [0.001, 0.1, 0.47, 1.0])
@pytest.mark.parametrize(("x", "y"), [(0.0, 1.0), (0.3, 0.62), (1.0, 0.5)])
def test_occlusion_covers_exactly_its_area(area, x, y):
    white = torch.ones(1, 2, 30, 47, dtype=torch.float64)
    covered = sensor.occlusion(white, one(area), one(x), one(y), one(0.25))
    assert (1 - covered).mean().item() == pytest.approx(0.75 * area, abs=1e-9)
    if area < 1:
        bare = covered[0, 0, 0 if y > 0.5 else -1, 0 if x > 0.5 else -1]
        assert bare == 1


def test_a_growing_occlusion_keeps_what_it_covers():
    white = torch.ones(1, 1, 32, 32)
    small, large = (sensor.occlusion(white, one(a), one(0.3), one(0.8), one(0)) for a in (0.05, 0.2))
    assert (large <= small + 1e-6).all()
