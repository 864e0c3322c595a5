import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from shiftgauge.shifts import geometric
from shiftgauge.shifts.geometric import focal_length, homography, warp
from shiftgauge.shifts.pipeline import ShiftPipeline
from shifts.samples import smooth_images

NAMES = ("shear_x", "shear_y", "scale", "rotation", "tilt", "pan", "translate_x", "translate_y")


def theta(*values):
    return torch.tensor([values], dtype=torch.float64)


def shift(image, fill="constant", **values):
    return ShiftPipeline(tuple(values), fill=fill, order=tuple(values))(
        image, theta(*values.values()), torch.zeros(1, dtype=torch.int64)
    )


def pictured(x, y, moves, height, width, fov=53.0):
    """A point of the plane, moved in space step by step and projected: written out, without matrices."""
    z = 0.0
    for name, value in moves:
        c, s, t = (f(math.radians(value)) for f in (math.cos, math.sin, math.tan))
        if name == "rotation":
            x, y = c * x + s * y, -s * x + c * y
        elif name == "tilt":
            y, z = c * y + s * z, -s * y + c * z
        elif name == "pan":
            x, z = c * x - s * z, s * x + c * z
        elif name == "scale":
            x, y, z = value * x, value * y, value * z
        elif name == "shear_x":
            x = x + t * y
        elif name == "shear_y":
            y = y + t * x
        elif name == "translate_x":
            x = x + value * width
        else:
            y = y + value * height
    f = max(height, width) / 2 / math.tan(math.radians(fov / 2))
    return f * x / (f + z), f * y / (f + z)


RANGES = {
    "rotation": (-180, 180),
    "tilt": (-40, 40),
    "pan": (-40, 40),
    "scale": (0.5, 2),
    "shear_x": (-30, 30),
    "shear_y": (-30, 30),
    "translate_x": (-0.5, 0.5),
    "translate_y": (-0.5, 0.5),
}


@settings(max_examples=60, deadline=None)
@given(st.permutations(NAMES), st.lists(st.floats(0, 1), min_size=8, max_size=8), st.floats(-1, 1), st.floats(-1, 1))
def test_points_go_where_a_pinhole_camera_sees_them(order, places, x, y):
    height, width = 120, 90
    moves = [(n, RANGES[n][0] + (RANGES[n][1] - RANGES[n][0]) * p) for n, p in zip(order, places, strict=True)][:5]
    matrix = homography([n for n, _ in moves], theta(*(v for _, v in moves)), height, width)[0]
    u, v, w = (matrix @ torch.tensor([20 * x, 20 * y, 1.0], dtype=torch.float64)).tolist()
    assert np.allclose((u / w, v / w), pictured(20 * x, 20 * y, moves, height, width), atol=1e-8)
    back = geometric._inverse(matrix[None])[0] @ matrix
    assert torch.allclose(back, torch.eye(3, dtype=torch.float64), atol=1e-9)


def test_the_camera_sees_the_longer_side_under_its_field_of_view():
    assert math.degrees(2 * math.atan(112 / focal_length(224, 224))) == pytest.approx(53)
    assert focal_length(100, 300) == focal_length(300, 100)
    assert focal_length(300, 100) == pytest.approx(3 * focal_length(100, 60))


def test_positive_tilt_narrows_the_top_and_positive_pan_the_right():
    white = torch.ones(1, 1, 64, 64)
    tilted = shift(white, tilt=30)[0, 0]
    panned = shift(white, pan=30)[0, 0]
    rows, columns = tilted.sum(1), panned.sum(0)
    top, bottom = rows[rows > 1][0], rows[-1]
    assert top < 0.95 * bottom
    assert columns[columns > 1][-1] < 0.95 * columns[0]


@pytest.mark.parametrize(("name", "axis"), [("tilt", 2), ("pan", 3)])
def test_tilt_and_pan_are_symmetric_about_zero(name, axis):
    image = smooth_images(1, height=50, width=38)
    there, back = shift(image, **{name: 17}), shift(image.flip(axis), **{name: -17})
    assert torch.allclose(there, back.flip(axis), atol=1e-5)


def test_pan_is_tilt_of_the_turned_image():
    image = smooth_images(1, height=48, width=48)
    assert torch.allclose(shift(image, pan=-20).transpose(2, 3), shift(image.transpose(2, 3), tilt=20), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.integers(2, 7))
def test_the_outcome_does_not_depend_on_the_resolution(places, factor):
    values = theta(*(RANGES[n][0] + (RANGES[n][1] - RANGES[n][0]) * p for n, p in zip(NAMES, places, strict=True)))
    small = homography(NAMES, values, 60, 80)[0]
    large = homography(NAMES, values, 60 * factor, 80 * factor)[0]
    zoom = torch.diag(torch.tensor([factor, factor, 1.0], dtype=torch.float64))
    assert torch.allclose(zoom @ small, large @ zoom, atol=1e-8)


def test_all_shifts_make_one_homography_and_one_resampling(monkeypatch):
    calls = []
    plain = geometric.functional.grid_sample
    monkeypatch.setattr(geometric.functional, "grid_sample", lambda *a, **k: calls.append(1) or plain(*a, **k))
    image = smooth_images(1)
    values = {n: (RANGES[n][0] + 2 * RANGES[n][1]) / 3 for n in NAMES}
    shift(image, **values)
    assert len(calls) == 1
    tilt_rotation = homography(["rotation", "tilt"], theta(30, 15), 24, 20)
    product = homography(["tilt"], theta(15), 24, 20) @ homography(["rotation"], theta(30), 24, 20)
    assert torch.allclose(tilt_rotation, product, atol=1e-12)


@pytest.mark.parametrize(("fill", "mode"), [("constant", "grid-constant"), ("edge", "nearest"), ("reflect", "reflect")])
@pytest.mark.parametrize(("interpolation", "spline"), [("bilinear", 1), ("nearest", 0)])
@pytest.mark.parametrize("fill_value", [0.0, 0.35, 1.0])
def test_resampling_agrees_with_scipy(fill, mode, interpolation, spline, fill_value):
    height, width = 41, 33
    image = smooth_images(1, height=height, width=width)
    matrix = homography(["rotation", "scale", "tilt", "translate_x"], theta(33, 0.8, 25, 0.2), height, width)
    ours = warp(image, matrix, fill=fill, fill_value=fill_value, interpolation=interpolation)[0].numpy()
    y, x = np.mgrid[0:height, 0:width] + 0.5
    looked = np.linalg.inv(matrix[0].numpy()) @ np.stack([x - width / 2, y - height / 2, np.ones_like(x)]).reshape(
        3, -1
    )
    u, v = looked[0] / looked[2] + width / 2 - 0.5, looked[1] / looked[2] + height / 2 - 0.5
    for channel in range(3):
        theirs = ndimage.map_coordinates(image[0, channel].numpy(), [v, u], order=spline, mode=mode, cval=fill_value)
        difference = np.abs(ours[channel].ravel() - theirs)
        assert np.mean(difference > 2e-4) < (0.004 if spline == 0 else 1e-9)


@pytest.mark.parametrize("quarter", [1, 2, 3, -1])
def test_quarter_turns_do_not_drift_by_half_a_pixel(quarter):
    for side in (16, 17):
        image = torch.rand(1, 2, side, side)
        assert torch.allclose(shift(image, rotation=90 * quarter), torch.rot90(image, quarter, (2, 3)), atol=2e-5)


def test_rotation_agrees_with_pillow():
    pixels = (smooth_images(1, channels=1, height=60, width=44)[0, 0] * 255).round().to(torch.uint8).numpy()
    theirs = np.asarray(Image.fromarray(pixels).rotate(27, Image.Resampling.BILINEAR), dtype=float)
    ours = shift(torch.from_numpy(pixels[None, None].astype(np.float32) / 255), rotation=27)[0, 0].numpy() * 255
    inside = ndimage.binary_erosion(theirs > 0, iterations=2)
    assert inside.sum() > 1000
    assert np.abs(ours - theirs)[inside].max() < 1.01


def test_translation_by_whole_pixels_moves_right_and_down():
    image = torch.rand(1, 1, 20, 30)
    moved = shift(image, translate_x=0.1, translate_y=0.2)
    assert torch.allclose(moved[..., 4:, 3:], image[..., :-4, :-3], atol=1e-5)
    assert moved[..., :4, :].max() < 1e-4
    assert moved[..., :3].max() < 1e-4


def test_a_constant_image_with_the_same_fill_stays_constant():
    image = torch.full((1, 3, 20, 20), 0.37)
    moved = ShiftPipeline(["rotation", "tilt"], fill_value=0.37)(image, theta(40, 20), torch.zeros(1).long())
    assert torch.allclose(moved, image, atol=1e-6)


def test_enlarging_by_two_shows_the_middle():
    image = smooth_images(1, height=40, width=40)
    large = shift(image, scale=2)
    small = torch.nn.functional.avg_pool2d(large, 2)
    assert torch.allclose(small, image[..., 10:30, 10:30], atol=0.01)


def test_reduction_does_not_alias():
    stripes = (torch.arange(96) % 2).float().expand(1, 1, 96, 96).contiguous()
    small = shift(stripes, fill="reflect", scale=0.3)[0, 0, 36:60, 36:60]
    assert (small - 0.5).abs().max() < 0.1
    assert (shift(stripes, fill="reflect", scale=0.999)[0, 0] - stripes).abs().mean() < 0.1


@pytest.mark.parametrize("fill", ["constant", "edge", "reflect"])
def test_beyond_the_horizon_is_fill_and_never_the_picture_folded_over(fill):
    image = smooth_images(1, height=64, width=64)
    pipeline = ShiftPipeline(["tilt", "translate_y"], fill=fill, field_of_view_deg=150)
    seen = pipeline(image, theta(80, 0.0), torch.zeros(1).long())
    assert torch.isfinite(seen).all()
    if fill == "constant":
        f = focal_length(64, 64, 150)
        horizon = -f / math.tan(math.radians(80)) + 32
        assert seen[0, :, : int(horizon)].max() == 0


def test_bicubic_stays_in_range():
    image = (torch.rand(1, 3, 24, 24) > 0.5).float()
    turned = ShiftPipeline(["rotation"], interpolation="bicubic")(image, theta(13), torch.zeros(1).long())
    assert 0 <= turned.min() <= turned.max() <= 1
