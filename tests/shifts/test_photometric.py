import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from shiftgauge.shifts import photometric
from shifts.samples import smooth_images


def one(value):
    return torch.tensor([float(value)])


def bytes_and_image(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 15, 3), dtype=np.uint8)
    return pixels, torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def as_bytes(image):
    return np.asarray(image, dtype=float).transpose(2, 0, 1)


@pytest.mark.parametrize("factor", [0, 0.4, 1.7, 3])
@pytest.mark.parametrize(
    ("shift", "enhance"),
    [
        (photometric.brightness, ImageEnhance.Brightness),
        (photometric.contrast, ImageEnhance.Contrast),
        (photometric.saturation, ImageEnhance.Color),
    ],
)
def test_factors_agree_with_pillow_up_to_its_rounding(shift, enhance, factor):
    pixels, image = bytes_and_image()
    theirs = as_bytes(enhance(Image.fromarray(pixels)).enhance(factor))
    ours = shift(image, one(factor))[0].numpy() * 255
    # Pillow rounds the grey to a whole number before it is stretched by |1 - factor|.
    assert np.abs(ours - theirs).max() <= 1.001 + abs(1 - factor)


def test_brightness_zero_is_black_and_values_are_clipped_at_one():
    image = smooth_images(1)
    assert photometric.brightness(image, one(0)).max() == 0
    assert torch.equal(photometric.brightness(image, one(2)), (image * 2).clamp(max=1))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_contrast_keeps_the_mean_grey(channels):
    image = smooth_images(1, channels=channels) * 0.5 + 0.25
    flat = photometric.contrast(image, one(0))
    weights = torch.tensor([0.299, 0.587, 0.114]) if channels == 3 else torch.full((channels,), 1 / channels)
    grey = (image * weights[:, None, None]).sum(1)
    assert torch.allclose(flat, grey.mean(), atol=1e-6)


@pytest.mark.parametrize("exponent", [0.05, 0.5, 2.2, 20])
def test_gamma_is_the_power(exponent):
    image = torch.cat([smooth_images(1).flatten(), torch.tensor([0.0, 1.0])])[None, None, None]
    expected = image.double().numpy() ** exponent
    assert np.allclose(photometric.gamma(image, one(exponent)).numpy(), expected, atol=2e-6)


def srgb_to_light(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def light_to_srgb(light):
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@pytest.mark.parametrize("stops", [-4, -0.5, 0.7, 3])
def test_exposure_multiplies_light(stops):
    values = np.linspace(0, 1, 200)
    expected = [light_to_srgb(min(srgb_to_light(v) * 2**stops, 1)) for v in values]
    shifted = photometric.exposure(torch.from_numpy(values).view(1, 1, 1, -1), one(stops).double())
    assert np.allclose(shifted.flatten().numpy(), expected, atol=1e-7)


def test_two_exposures_add_up():
    image = smooth_images(1)
    twice = photometric.exposure(photometric.exposure(image, one(-0.4)), one(-0.8))
    assert torch.allclose(twice, photometric.exposure(image, one(-1.2)), atol=1e-5)


@pytest.mark.parametrize("angle", [-180, -75, 10, 120, 179])
def test_hue_agrees_with_colorsys(angle):
    _, image = bytes_and_image(1)
    image[0, :, 0, 0] = 0.5
    image[0, :, 0, 1] = torch.tensor([0.0, 0.0, 0.7])
    shifted = photometric.hue(image, one(angle))[0].permute(1, 2, 0).reshape(-1, 3).numpy()
    for before, after in zip(image[0].permute(1, 2, 0).reshape(-1, 3).tolist(), shifted, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        assert np.allclose(after, colorsys.hsv_to_rgb((h + angle / 360) % 1, s, v), atol=1e-5)


def test_hue_leaves_grey_alone():
    grey = smooth_images(1, channels=1).expand(1, 3, -1, -1)
    assert torch.allclose(photometric.hue(grey, one(77)), grey, atol=1e-6)


def test_uneven_illumination_runs_from_dark_to_bright_along_its_angle():
    image = torch.full((1, 1, 40, 60), 0.5)
    right = photometric.uneven_illumination(image, one(0.6), one(0))
    top = photometric.uneven_illumination(image, one(0.6), one(90))
    corner = photometric.uneven_illumination(image, one(0.6), one(45))
    expected = 0.5 * (1 + 0.6 * (2 * (torch.arange(60) + 0.5) / 60 - 1))
    assert torch.allclose(right[0, 0], expected.expand(40, 60), atol=1e-6)
    assert torch.allclose(top[0, 0, :, 7], 0.5 * (1 - 0.6 * (2 * (torch.arange(40) + 0.5) / 40 - 1)), atol=1e-6)
    assert corner.argmax() == 59
    assert corner.mean() == pytest.approx(0.5, abs=1e-6)
