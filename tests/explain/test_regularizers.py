"""Total variation and squared length: closed forms, plain loops, slopes."""

import math

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.explain.regularizers import SquaredNorm, TotalVariation

WAYS = [(r, k) for r in ("mean", "sum") for k in ("anisotropic", "isotropic")]


def image(channels=1, height=5, width=7):
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("reduce", "kind"), WAYS)
@pytest.mark.parametrize("grey", [0.0, -0.7, 0.3])
def test_constant_image_has_no_variation_and_no_slope(reduce, kind, grey):
    flat = torch.full((2, 3, 4, 5), grey, requires_grad=True)
    penalty = TotalVariation(reduce=reduce, kind=kind).penalty(flat)
    assert penalty.tolist() == [0.0, 0.0]
    (slope,) = torch.autograd.grad(penalty.sum(), flat)
    assert torch.equal(slope, torch.zeros_like(flat))


@pytest.mark.parametrize("rise", [0.25, -2.0])
def test_one_pixel_that_stands_out_has_the_closed_form(rise):
    one = torch.zeros(1, 2, 5, 7, dtype=torch.float64)
    one[0, 1, 2, 3] = rise
    h = abs(rise)
    found = {(r, k): float(TotalVariation(reduce=r, kind=k).penalty(one)) for r, k in WAYS}
    assert found["sum", "anisotropic"] == pytest.approx(4 * h)
    assert found["sum", "isotropic"] == pytest.approx((2 + math.sqrt(2)) * h)
    assert found["mean", "anisotropic"] == pytest.approx(2 * h / (2 * 4 * 7) + 2 * h / (2 * 5 * 6))
    assert found["mean", "isotropic"] == pytest.approx((2 + math.sqrt(2)) * h / (2 * 5 * 7))


def test_edge_between_two_columns_has_the_closed_form():
    edge = torch.zeros(1, 3, 5, 7, dtype=torch.float64)
    edge[..., 4:] = 0.5
    for kind in ("anisotropic", "isotropic"):
        assert float(TotalVariation(reduce="sum", kind=kind).penalty(edge)) == pytest.approx(3 * 5 * 0.5)
    assert float(TotalVariation().penalty(edge)) == pytest.approx(0.5 / 6)
    assert float(TotalVariation(kind="isotropic").penalty(edge)) == pytest.approx(0.5 / 7)


@pytest.mark.parametrize(("reduce", "kind"), WAYS)
def test_variation_equals_a_plain_loop(reduce, kind):
    given = image(channels=2)
    _, channels, height, width = given.shape
    for row, found in zip(given.numpy(), TotalVariation(reduce=reduce, kind=kind).penalty(given), strict=True):
        down = right = both = 0.0
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    dy = row[c, y + 1, x] - row[c, y, x] if y + 1 < height else 0.0
                    dx = row[c, y, x + 1] - row[c, y, x] if x + 1 < width else 0.0
                    down, right, both = down + abs(dy), right + abs(dx), both + math.hypot(dx, dy)
        counts = (channels * (height - 1) * width, channels * height * (width - 1), channels * height * width)
        if reduce == "sum":
            counts = (1, 1, 1)
        expected = both / counts[2] if kind == "isotropic" else down / counts[0] + right / counts[1]
        assert float(found) == pytest.approx(expected)


def test_default_is_that_of_the_published_code():
    x = image(channels=3)[:1]
    published = (x[:, :, 1:] - x[:, :, :-1]).abs().mean() + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean()
    assert float(TotalVariation().penalty(x)) == pytest.approx(float(published))


def test_published_step_hardly_moves_a_pixel():
    x = torch.rand(1, 3, 32, 32, requires_grad=True, generator=torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad(TotalVariation().penalty(x).sum(), x)
    assert float(slope.abs().max()) <= 4 / 2976 * (1 + 1e-6)


@pytest.mark.parametrize("kind", ["anisotropic", "isotropic"])
def test_slope_equals_finite_differences(kind):
    x = image().requires_grad_()
    assert torch.autograd.gradcheck(TotalVariation(reduce="sum", kind=kind).penalty, (x,))


def test_squared_length_has_its_closed_form_and_slope():
    x = image(channels=3).requires_grad_()
    expected = (x.detach().numpy() ** 2).sum(axis=(1, 2, 3))
    assert np.allclose(SquaredNorm().penalty(x).detach(), expected)
    assert np.allclose(SquaredNorm(reduce="mean").penalty(x).detach(), expected / (3 * 5 * 7))
    (slope,) = torch.autograd.grad(SquaredNorm().penalty(x).sum(), x)
    assert torch.allclose(slope, 2 * x)


def test_one_row_of_pixels_varies_along_itself_alone():
    line = torch.tensor([[[[0.0, 1.0, 0.0]]]])
    assert float(TotalVariation().penalty(line)) == pytest.approx(2 / 2)
    assert float(TotalVariation(kind="isotropic", reduce="sum").penalty(line)) == pytest.approx(2)


@pytest.mark.parametrize("wrong", [{"reduce": "max"}, {"weight": -1}, {"weight": float("nan")}])
@pytest.mark.parametrize("cls", [TotalVariation, SquaredNorm])
def test_wrong_options_are_refused(cls, wrong):
    with pytest.raises(ConfigError):
        cls(**wrong)


def test_nearest_kind_is_told():
    with pytest.raises(ConfigError, match="did you mean `isotropic`"):
        TotalVariation(kind="isotropc")
