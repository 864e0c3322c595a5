"""Norms of convolutions agree with the dense matrices of tiny layers, with Fourier transforms and with ARPACK."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, svds
from torch import nn

from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.models.conv_norm import circular_norm, overlap, padded_norm
from shiftgauge.models.parseval_layers import ScaledConv2d

GEOMETRIES = [
    {"padding": 1},
    {"padding": 1, "stride": 2},
    {"padding": 0},
    {"padding": "same"},
    {"padding": 2, "dilation": 2},
    {"padding": 1, "groups": 2},
    {"padding": 1, "stride": 2, "groups": 2},
    {"padding": 1, "padding_mode": "circular"},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": (2, 0), "stride": (1, 3)},
]


def make(seed=0, channels=(4, 6), kernel=3, **geometry):
    torch.manual_seed(seed)
    return nn.Conv2d(*channels, kernel, **geometry).double()


def dense(layer, size):
    """The linear part of a layer as a matrix, one column for each value of its input."""
    n = layer.in_channels * size * size
    with torch.no_grad():
        units = torch.eye(n, dtype=torch.float64).view(n, layer.in_channels, size, size)
        return (layer(units) - layer(torch.zeros_like(units[:1]))).flatten(1).T


def circulant(weight, size, stride=1):
    """The matrix of a circular convolution, filled in one entry at a time."""
    outputs, inputs, height, width = weight.shape
    steps = size // stride
    matrix = np.zeros((outputs, steps, steps, inputs, size, size))
    for y, x, i, j in np.ndindex(steps, steps, height, width):
        matrix[:, y, x, :, (y * stride + i) % size, (x * stride + j) % size] += weight[:, :, i, j].numpy()
    return matrix.reshape(outputs * steps**2, -1)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_power_iteration_finds_the_norm_of_the_dense_matrix(geometry):
    layer = make(**geometry)
    found = padded_norm(layer, 6, tolerance=1e-5, iterations=5000)
    assert found.converged
    assert found.value == pytest.approx(float(torch.linalg.matrix_norm(dense(layer, 6), 2)), rel=1e-6)


@pytest.mark.parametrize("vectors", [1, 3])
def test_plain_and_block_iteration_agree_and_leave_the_layer_alone(vectors):
    layer = make(padding=1).float().train()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    found = padded_norm(layer, 6, vectors=vectors, iterations=3000, tolerance=2e-5)
    assert found.value == pytest.approx(float(torch.linalg.matrix_norm(dense(layer.double(), 6), 2)), rel=1e-4)
    assert layer.training
    assert layer.weight.grad is None
    assert all(torch.equal(value.float(), before[name]) for name, value in layer.state_dict().items())


def test_power_iteration_never_lies_above_and_says_when_it_was_stopped():
    layer = make(padding=1)
    true = float(torch.linalg.matrix_norm(dense(layer, 6), 2))
    values = [padded_norm(layer, 6, iterations=n, tolerance=1e-9) for n in (1, 2, 5, 10)]
    assert [found.iterations for found in values] == [1, 2, 5, 10]
    assert not any(found.converged for found in values)
    assert all(a.value <= b.value <= true * (1 + 1e-12) for a, b in pairwise(values))


def test_a_larger_layer_agrees_with_arpack():
    layer = make(channels=(3, 8), stride=2, padding=1)
    shape = (3, 20, 20)

    def run(v):
        with torch.no_grad():
            return (
                nn.functional.conv2d(torch.from_numpy(v.reshape(1, *shape)), layer.weight, None, 2, 1).numpy().ravel()
            )

    def back(v):
        images = torch.from_numpy(v.reshape(1, 8, 10, 10))
        with torch.no_grad():
            return nn.functional.conv_transpose2d(images, layer.weight, None, 2, 1, 1).numpy().ravel()

    operator = LinearOperator((800, 1200), matvec=run, rmatvec=back, dtype=np.float64)
    expected = svds(operator, k=1, return_singular_vectors=False)[0]
    assert padded_norm(layer, 20, tolerance=1e-4).value == pytest.approx(expected, rel=1e-5)


def test_the_factor_of_a_scaled_convolution_counts():
    torch.manual_seed(0)
    layer = ScaledConv2d(2, 2, 3, padding=1)
    plain = nn.Conv2d(2, 2, 3, padding=1)
    plain.load_state_dict(layer.state_dict())
    assert padded_norm(layer, 5).value == pytest.approx(padded_norm(plain, 5).value / 3, rel=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(5, 1), (6, 2), (6, 3), (4, 4)])
def test_the_circular_norm_is_that_of_the_circulant_matrix(size, stride):
    weight = make(channels=(2, 3)).weight.detach()
    expected = np.linalg.norm(circulant(weight, size, stride), 2)
    assert circular_norm(weight, size, stride=stride) == pytest.approx(expected, rel=1e-10)


def test_a_kernel_wider_than_the_image_goes_round_it():
    weight = make(channels=(2, 2), kernel=5).weight.detach()
    assert circular_norm(weight, 3) == pytest.approx(np.linalg.norm(circulant(weight, 3), 2), rel=1e-10)


def test_groups_and_dilation_of_the_circular_norm():
    layer = make(padding=2, dilation=2, groups=2, padding_mode="circular")
    expected = float(torch.linalg.matrix_norm(dense(layer, 6), 2))
    assert circular_norm(layer.weight, 6, dilation=2, groups=2) == pytest.approx(expected, rel=1e-10)


def test_a_tight_kernel_can_have_norm_three():
    weight = torch.full((1, 1, 3, 3), 1 / 3)
    assert torch.linalg.matrix_norm(weight.flatten(1), 2) == pytest.approx(1)
    assert circular_norm(weight, 12) == pytest.approx(3)
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False).double()
    nn.init.constant_(layer.weight, 1 / 3)
    exact = (1 + 2 * math.cos(math.pi / 13)) ** 2 / 3  # the largest eigenvalue of the path of 12, in both axes
    assert padded_norm(layer, 12, tolerance=1e-5).value == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "count"), [(3, 1, 1, 3), (3, 2, 1, 2), (3, 2, 2, 3), (3, 4, 2, 2), (5, 3, 1, 2)]
)
def test_as_many_windows_overlap_as_counted(kernel, stride, dilation, count):
    image = torch.zeros(1, 1, 1, 61, requires_grad=True)
    weight = torch.ones(1, 1, 1, kernel)
    nn.functional.conv2d(image, weight, None, (1, stride), 0, (1, dilation)).sum().backward()
    assert overlap(kernel, stride, dilation) == int(image.grad.max()) == count


def test_what_has_no_norm_is_told():
    with pytest.raises(ConfigError, match=r"the stride \(2, 2\) must divide the size of a circular image, got 5×5"):
        circular_norm(torch.ones(1, 1, 3, 3), 5, stride=2)
    with pytest.raises(ModelError, match="outputs, inputs, height, width"):
        circular_norm(torch.ones(3, 3), 5)
    with pytest.raises(NumericalError, match="NaN or infinity"):
        circular_norm(torch.full((1, 1, 1, 1), float("nan")), 5)
    layer = nn.Conv2d(1, 1, 1)
    nn.init.constant_(layer.weight, float("inf"))
    with pytest.raises(NumericalError, match="NaN or infinity"):
        padded_norm(layer, 5)
    with pytest.raises(ConfigError, match="iterations"):
        padded_norm(nn.Conv2d(1, 1, 1), 5, iterations=0)


def test_a_layer_of_zeros_has_norm_zero():
    layer = nn.Conv2d(1, 1, 3)
    nn.init.zeros_(layer.weight)
    assert padded_norm(layer, 5).value == 0
    assert circular_norm(layer.weight, 5) == 0
