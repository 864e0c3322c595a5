"""The bound lies above every padded layer, and as near to the supremum over frequencies as it says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shiftgauge.errors import ConfigError
from shiftgauge.models.conv_norm import circular_norm
from shiftgauge.models.conv_norm_bound import norm_bound


def dense_norm(layer, size):
    n = layer.in_channels * size * size
    with torch.no_grad():
        units = torch.eye(n, dtype=torch.float64).view(n, layer.in_channels, size, size)
        return float(torch.linalg.matrix_norm(layer(units).flatten(1), 2))


def on_a_fine_grid(weight, points=97):
    """The largest singular value of the symbol on a grid of frequencies, one at a time."""
    best = 0.0
    for a, b in np.ndindex(points, points):
        phases = np.exp(
            2j * np.pi * (a * np.arange(weight.shape[2])[:, None] + b * np.arange(weight.shape[3])[None]) / points
        )
        best = max(best, np.linalg.norm((weight * phases).sum(axis=(2, 3)), 2))
    return best


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 2),
    st.integers(0, 3),
    st.integers(1, 2),
)
def test_no_padded_layer_lies_above_the_bound(seed, kernel, stride, dilation, padding, groups):
    torch.manual_seed(seed)
    geometry = {"stride": stride, "dilation": dilation, "groups": groups}
    layer = nn.Conv2d(2, 4, kernel, padding=padding, bias=False, **geometry).double()
    bound = norm_bound(layer.weight, **geometry, tolerance=0.01)
    for size in (7, 10):
        assert dense_norm(layer, size) <= bound


@pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (1, 3), (5, 4), (1, 1)])
def test_the_bound_is_the_supremum_over_frequencies(kernel):
    weight = torch.randn(3, 2, *kernel, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    supremum = on_a_fine_grid(weight.numpy())
    for tolerance in (0.05, 1e-3, 1e-5):
        assert supremum * (1 - 1e-9) <= norm_bound(weight, tolerance=tolerance) <= supremum * (1 + tolerance) * 1.002
    assert norm_bound(weight, tolerance=1e-5) == pytest.approx(supremum, rel=2e-3)


@pytest.mark.parametrize("geometry", [{"stride": 2}, {"stride": (1, 3)}, {"dilation": 2}, {"groups": 2}, {}])
def test_circular_norms_rise_to_the_bound(geometry):
    weight = torch.randn(4, 4 // geometry.get("groups", 1), 3, 3, generator=torch.Generator().manual_seed(1))
    bound = norm_bound(weight, **geometry)
    norms = [circular_norm(weight, size, **geometry) for size in (6, 12, 48)]
    assert max(norms) <= bound
    assert norms[-1] == pytest.approx(bound, rel=3e-3)


def test_zero_padded_norms_rise_to_the_bound():
    torch.manual_seed(2)
    layer = nn.Conv2d(1, 2, 3, padding=1, bias=False).double()
    norms = [dense_norm(layer, size) for size in (4, 8, 16)]
    assert norms == sorted(norms)
    assert norms[-1] == pytest.approx(norm_bound(layer.weight), rel=0.05)


def test_a_tight_kernel_has_the_bound_by_windows_at_least():
    kernel = nn.init.orthogonal_(torch.empty(4, 1, 3, 3))
    kernel[0] = 1 / 3
    assert norm_bound(kernel[:1], tolerance=0.5) == pytest.approx(3, rel=1e-6)
    assert norm_bound(kernel[:1], tolerance=0.5, most=1) == pytest.approx(3, rel=1e-6)


def test_few_frequencies_give_a_wider_bound_that_holds():
    weight = torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    narrow, wide = norm_bound(weight, tolerance=1e-4), norm_bound(weight, tolerance=1e-4, most=1)
    assert narrow < wide < 1.1 * narrow


def test_a_flat_kernel_and_one_of_zeros():
    assert norm_bound(torch.zeros(2, 2, 3, 3)) == 0
    shifted = torch.zeros(2, 2, 3, 3)
    shifted[[0, 1], [0, 1], [0, 2], [1, 1]] = 1  # moves pixels: every frequency has norm 1
    assert norm_bound(shifted, tolerance=0.01) == pytest.approx(1, rel=0.011)


def test_a_tolerance_that_is_none_is_told():
    with pytest.raises(ConfigError, match="tolerance"):
        norm_bound(torch.ones(1, 1, 3, 3), tolerance=0)
