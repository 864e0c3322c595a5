"""The published perspective against the printed homography, a plain solver, and a pixel-by-pixel loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.studies.weld_published import BOX, corner_homography, fold_row, published_shift


def solved(tilt_deg, box):
    """The homography through four pairs of corners, by eight linear equations."""
    d = math.tan(math.radians(tilt_deg)) * box
    pairs = [((0, 0), (d, 0)), ((box, 0), (box - d, 0)), ((box, box), (box, box)), ((0, box), (0, box))]
    rows, right = [], []
    for (x, y), (u, v) in pairs:
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows, float), np.array(right, float)), 1).reshape(3, 3)


def test_the_homography_is_the_one_measured_in_the_published_code():
    found = corner_homography(torch.tensor([20.0]))[0].numpy()
    expected = [[0.27206, -0.36397, 88.8087], [0, 0.27206, 0], [0, -0.00298, 1]]
    assert np.allclose(found, expected, atol=5e-5)


@given(st.floats(-20, 20), st.floats(50, 500))
def test_the_homography_is_that_of_its_four_corners(tilt, box):
    found = corner_homography(torch.tensor([tilt], dtype=torch.float64), box)[0].numpy()
    assert np.allclose(found, solved(tilt, box), atol=1e-8)


@pytest.mark.parametrize(("tilt", "row"), [(20, 335.2), (10, 691.9), (-20, -335.2)])
def test_the_row_at_infinity_is_the_one_measured(tilt, row):
    assert fold_row(tilt) == pytest.approx(row, abs=0.05)


def slow(image_hw, tilt_deg, box):
    """Each pixel looked up by itself, bilinear, black outside, also beyond the horizon."""
    inverse = np.linalg.inv(solved(tilt_deg, box))
    height, width = image_hw.shape
    out = np.zeros_like(image_hw)
    for i in range(height):
        for j in range(width):
            x, y, w = inverse @ [j + 0.5, i + 0.5, 1]
            x, y = x / w - 0.5, y / w - 0.5
            left, top = math.floor(x), math.floor(y)
            for r, share_r in ((top, top + 1 - y), (top + 1, y - top)):
                for c, share_c in ((left, left + 1 - x), (left + 1, x - left)):
                    if 0 <= r < height and 0 <= c < width:
                        out[i, j] += share_r * share_c * image_hw[r, c]
    return out


@pytest.mark.parametrize(("tilt", "box"), [(15.0, 24.0), (-12.0, 24.0), (20.0, 8.0), (20.0, 60.0)])
def test_pictures_are_looked_up_as_by_a_plain_loop_also_where_they_fold_over(tilt, box):
    image = np.random.default_rng(0).random((20, 24))
    theta = torch.tensor([[1.0, 0.0, tilt]], dtype=torch.float64)
    found = published_shift(torch.from_numpy(image)[None, None], theta, box=box)[0, 0].numpy()
    assert np.allclose(found, slow(image, tilt, box), atol=1e-9)


def test_brightness_comes_first_and_is_cut_off_at_white():
    images = torch.tensor([0.2, 0.8]).view(1, 1, 1, 2)
    found = published_shift(images, torch.tensor([[2.0, 0.0, 0.0]]))
    assert torch.allclose(found.flatten(), torch.tensor([0.4, 1.0]), atol=1e-5)


def test_a_positive_rotation_turns_against_the_clock_like_pillow():
    from PIL import Image

    image = np.random.default_rng(1).integers(0, 256, (17, 17), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(image).rotate(90, resample=Image.Resampling.NEAREST))
    theta = torch.tensor([[1.0, 90.0, 0.0]])
    found = published_shift(torch.from_numpy(image / 255.0)[None, None], theta)[0, 0].numpy() * 255
    assert np.abs(found - pillow).max() < 1e-3


def test_the_tilt_of_the_published_code_is_not_alike_on_both_sides_of_zero():
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    up, down = (published_shift(image, torch.tensor([[1.0, 0.0, t]]), box=32) for t in (20.0, -20.0))
    assert (up > 0).float().mean() < 0.75 < 0.95 < (down > 0).float().mean()


def test_the_box_is_the_published_one():
    assert BOX == 244
