import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy import ndimage

from shiftgauge.shifts import optical
from shifts.samples import smooth_images


def one(value):
    return torch.tensor([float(value)], dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.3, 1, 2.4, 7])
def test_gaussian_blur_agrees_with_scipy(sigma):
    image = torch.rand(1, 3, 30, 21)
    ours = optical.gaussian_blur(image, one(sigma))[0].numpy()
    for channel in range(3):
        theirs = ndimage.gaussian_filter(image[0, channel].double().numpy(), sigma, mode="nearest", truncate=4.0)
        assert np.allclose(ours[channel], theirs, atol=2e-6)


def disc(radius):
    reach = math.ceil(radius + 0.5)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    weights = np.clip(radius + 0.5 - np.sqrt(x**2 + y**2), 0, 1)
    return weights / weights.sum()


@pytest.mark.parametrize("radius", [0.2, 1, 2.7, 5, 9.5])
def test_defocus_is_the_mean_over_a_disc(radius):
    image = torch.rand(1, 1, 33, 27)
    theirs = ndimage.correlate(image[0, 0].double().numpy(), disc(radius), mode="nearest")
    assert np.allclose(optical.defocus(image, one(radius))[0, 0].numpy(), theirs, atol=3e-6)


@pytest.mark.parametrize("radius", [6.0, 6.3, 6.45])
def test_the_transform_and_the_sum_over_taps_agree(radius, monkeypatch):
    image = torch.rand(1, 3, 40, 31)
    by_transform = optical.defocus(image, one(radius))
    monkeypatch.setattr(optical, "_MOST_TAPS", 10_000)
    assert torch.allclose(by_transform, optical.defocus(image, one(radius)), atol=2e-6)


def test_an_uneven_kernel_is_not_turned_over_by_the_transform(monkeypatch):
    image = torch.rand(1, 9, 12)
    kernel = torch.rand(3, 5, dtype=torch.float64)
    by_taps = optical._filter(image, kernel)
    monkeypatch.setattr(optical, "_MOST_TAPS", 0)
    assert torch.allclose(optical._filter(image, kernel), by_taps, atol=1e-5)


@pytest.mark.parametrize(("length", "angle"), [(3, 0), (6.5, 30), (10, 90), (8, -50), (25, 135)])
def test_motion_blur_is_the_mean_over_shifted_images(length, angle):
    image = smooth_images(1, channels=1, height=40, width=40)
    plain = np.pad(image[0, 0].double().numpy(), 20, mode="edge")
    steps = (np.arange(400) + 0.5) / 400 * length - length / 2
    a = math.radians(angle)
    theirs = np.mean(
        [ndimage.shift(plain, (-t * math.sin(a), t * math.cos(a)), order=1, mode="nearest") for t in steps], 0
    )
    ours = optical.motion_blur(image, one(length), one(angle))[0, 0].numpy()
    assert np.allclose(ours, theirs[20:-20, 20:-20], atol=2e-3)


def test_motion_blur_leaves_stripes_along_its_line():
    stripes = torch.rand(1, 1, 30, 1).expand(1, 1, 30, 30).contiguous()
    assert torch.allclose(optical.motion_blur(stripes, one(11), one(0)), stripes, atol=1e-6)
    assert (optical.motion_blur(stripes, one(11), one(90)) - stripes).abs().mean() > 0.1


@pytest.mark.parametrize("blur", [optical.gaussian_blur, optical.defocus])
def test_blurs_keep_a_constant_image_and_change_smoothly_with_their_value(blur):
    flat = torch.full((1, 2, 12, 12), 0.6)
    image = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    for value in (0.4, 0.55, 0.999, 1.0, 2.4999, 6.4):
        assert torch.allclose(blur(flat, one(value)), flat, atol=1e-6)
        assert (blur(image, one(value)) - blur(image, one(value + 1e-4))).abs().max() < 1e-3


@pytest.mark.parametrize("factor", [0, 0.5, 2, 8])
def test_sharpness_agrees_with_pillow_up_to_its_rounding(factor):
    pixels = np.random.default_rng(0).integers(60, 190, (20, 17), dtype=np.uint8)
    theirs = np.asarray(ImageEnhance.Sharpness(Image.fromarray(pixels)).enhance(factor), dtype=float)
    image = torch.from_numpy(pixels[None, None].astype(np.float32) / 255)
    ours = optical.sharpness(image, one(factor))[0, 0].numpy() * 255
    assert np.abs(ours - theirs).max() <= 1.001 + 0.5 * abs(1 - factor)


def test_images_of_one_pixel_are_blurred_without_complaint():
    dot = torch.full((1, 1, 1, 1), 0.4)
    for blurred in (
        optical.gaussian_blur(dot, one(3)),
        optical.defocus(dot, one(8)),
        optical.motion_blur(dot, one(9), one(20)),
        optical.sharpness(dot, one(2)),
    ):
        assert torch.allclose(blurred, dot, atol=1e-6)
