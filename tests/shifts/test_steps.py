"""Every shift of the catalogue, held to the same invariants through a pipeline of its own."""

import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.shifts.catalog import CATALOG
from shiftgauge.shifts.pipeline import ShiftPipeline
from shifts.samples import DIFFERENTIABLE, MAINS, RANDOM, ROUGH, draw_values, run, smooth_images, streams, theta_of


@pytest.mark.parametrize("name", MAINS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_at_the_identity_come_back_bit_for_bit(name, dtype):
    images = torch.rand(3, 3, 11, 13, dtype=dtype)
    theta = draw_values(name, 3)[:, None]
    theta[[0, 2]] = CATALOG[name].identity
    shifted = run([name], images, theta)
    assert torch.equal(shifted[[0, 2]], images[[0, 2]])
    assert not torch.equal(shifted[1], images[1])
    assert shifted.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", MAINS)
def test_the_ends_of_the_valid_range_give_finite_images(name, end):
    images = torch.rand(1, 3, 16, 14)
    theta = torch.full((1, 1), getattr(CATALOG[name], end), dtype=torch.float64)
    for fill in ("constant", "edge", "reflect"):
        shifted = run([name], images, theta, fill=fill)
        assert torch.isfinite(shifted).all()
        assert 0 <= shifted.min() <= shifted.max() <= 1


@pytest.mark.parametrize("name", RANDOM)
def test_random_shifts_repeat_with_their_stream_and_seed_only(name):
    images = smooth_images(1).expand(3, -1, -1, -1)
    theta = draw_values(name, 1)[:, None].expand(3, 1)
    one = run([name], images, theta, torch.tensor([4, 5, 4]))
    assert torch.equal(one[0], one[2])
    assert not torch.equal(one[0], one[1])
    assert torch.equal(one, run([name], images, theta, torch.tensor([4, 5, 4])))
    assert not torch.equal(one, run([name], images, theta, torch.tensor([4, 5, 4]), seed=1))


@pytest.mark.parametrize("name", [name for name in MAINS if name not in RANDOM])
def test_other_shifts_do_not_depend_on_the_stream(name):
    images = smooth_images(2)
    theta = draw_values(name, 2)[:, None]
    assert torch.equal(run([name], images, theta, streams(2)), run([name], images, theta, streams(2, 50)))
    assert not ShiftPipeline([name]).is_random


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", MAINS)
def test_any_number_of_channels_works_or_is_refused_with_a_sentence(name, channels):
    images = smooth_images(2, channels=channels)
    theta = draw_values(name, 2)[:, None]
    if CATALOG[name].channels in (None, channels):
        assert run([name], images, theta).shape == images.shape
    else:
        with pytest.raises(ConfigError, match=f"`{name}` needs images with 3 channels, these have {channels}"):
            run([name], images, theta)


AWAY = {
    "uneven_illumination": [0, 0.1, 0.3, 0.6, 1],
    "exposure": [0, 0.2, 0.6, 1.5, 4],
    "brightness": [1, 0.8, 0.5, 0.2, 0],
    "contrast": [1, 1.2, 1.5, 2, 4],
    "gamma": [1, 1.3, 2, 4, 9],
    "saturation": [1, 0.8, 0.5, 0.2, 0],
    "hue": [0, 10, 25, 45, 60],
    "scale": [1, 1.03, 1.06, 1.1, 1.15],
    "rotation": [0, 1, 2, 4, 8],
    "tilt": [0, 2, 4, 7, 10],
    "pan": [0, -2, -4, -7, -10],
    "shear_x": [0, 1, 2, 4, 8],
    "shear_y": [0, 1, 2, 4, 8],
    "translate_x": [0, 0.01, 0.02, 0.04, 0.06],
    "translate_y": [0, -0.01, -0.02, -0.04, -0.06],
    "defocus": [0, 1, 2, 4, 7],
    "motion_blur": [0, 2, 4, 8, 12],
    "gaussian_blur": [0, 0.5, 1, 2, 4],
    "sharpness": [1, 1.5, 3, 6, 12],
    "occlusion": [0, 0.05, 0.2, 0.5, 1],
    "shot_noise": [1e12, 1e6, 1e4, 500, 20],
    "gaussian_noise": [0, 0.01, 0.05, 0.2, 0.6],
    "noise_snr": [120, 60, 40, 20, 5],
    "salt_pepper": [0, 0.01, 0.1, 0.4, 1],
    "bit_depth": [16, 10, 6, 4, 1],
    "jpeg_quality": [101, 95, 50, 15, 1],
}


@pytest.mark.parametrize("name", MAINS)
def test_the_change_grows_with_the_distance_from_the_identity(name):
    images = smooth_images(1, height=48, width=40).expand(5, -1, -1, -1)
    theta = torch.tensor(AWAY[name], dtype=torch.float64)[:, None]
    shifted = run([name], images, theta, torch.full((5,), 3), fill="edge")
    change = (shifted - images).abs().mean(dim=(1, 2, 3))
    assert change[0] == 0
    assert (change.diff() > 0).all(), change


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_agree_with_finite_differences(name):
    companions = tuple(n for n, s in CATALOG.items() if s.companion_of == name)
    names = (name, *companions)
    images = smooth_images(2, height=13, width=10, dtype=torch.float64) * 0.7
    images.requires_grad_(True)
    theta = theta_of(names, 2, seed=3).requires_grad_(True)
    pipeline = ShiftPipeline(names, fill="edge")
    weight = torch.linspace(-1, 1, images.numel(), dtype=torch.float64).reshape(images.shape).sin()

    def total(values, pixels):
        return (pipeline(pixels, values, streams(2)) * weight).sum()

    total(theta, images).backward()
    assert theta.grad is not None
    assert images.grad is not None
    step = 1e-5
    with torch.no_grad():
        for row in range(2):
            for column in range(len(names)):
                move = torch.zeros_like(theta)
                move[row, column] = step
                slope = (total(theta + move, images) - total(theta - move, images)) / (2 * step)
                assert torch.allclose(theta.grad[row, column], slope, rtol=2e-3, atol=2e-4), names[column]
        direction = smooth_images(2, height=13, width=10, seed=9, dtype=torch.float64) - 0.5
        slope = (total(theta, images + step * direction) - total(theta, images - step * direction)) / (2 * step)
        assert torch.allclose((images.grad * direction).sum(), slope, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["brightness", "contrast", "gamma", "exposure", "saturation", "sharpness"])
def test_the_gradient_at_the_identity_is_that_of_the_shift(name):
    image = smooth_images(1, height=9, width=8, dtype=torch.float64)
    pipeline = ShiftPipeline([name])
    theta = torch.full((1, 1), CATALOG[name].identity, dtype=torch.float64, requires_grad=True)
    shifted = pipeline(image, theta, streams(1))
    assert torch.equal(shifted.detach(), image)
    (shifted**2).sum().backward()
    with torch.no_grad():
        up, down = (float((pipeline(image, theta + s, streams(1)) ** 2).sum()) for s in (1e-5, -1e-5))
    assert theta.grad is not None
    assert float(theta.grad) == pytest.approx((up - down) / 2e-5, rel=1e-3)


@pytest.mark.parametrize("name", ROUGH)
def test_gradients_through_a_rough_shift_are_refused(name):
    pipeline = ShiftPipeline(["brightness", name])
    theta = torch.tensor([[0.9, CATALOG[name].identity]], dtype=torch.float64, requires_grad=True)
    assert not pipeline.is_differentiable
    with pytest.raises(ConfigError, match=f"`{name}` has no useful gradient"):
        pipeline(smooth_images(1), theta, streams(1))
