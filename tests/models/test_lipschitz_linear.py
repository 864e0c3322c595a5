"""Bounds of linear layers with factors for their channels lie above the dense matrix, and near it."""

import pytest
import torch
from torch import nn

from shiftgauge.errors import NumericalError
from shiftgauge.models.lipschitz_linear import NoBoundError, batch_norm_gains, linear_gain, weighted_matrix
from shiftgauge.models.parseval_layers import ScaledConv2d


def dense(layer, channels, size, before, after):
    """diag(after) A diag(before) as a matrix, filled in by running the layer on scaled unit images."""
    n = channels * size * size
    units = torch.eye(n).view(n, channels, size, size) * before.view(1, -1, 1, 1)
    with torch.no_grad():
        out = layer(units) - layer(torch.zeros(1, channels, size, size))
    return (out * after.view(1, -1, 1, 1)).flatten(1)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, 3, padding=1, stride=2, groups=2),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 6, 3, padding="same"),
        ScaledConv2d(4, 6, 3, padding=1),
    ],
)
def test_factors_of_channels_are_taken_into_the_convolution(layer):
    rng = torch.Generator().manual_seed(0)
    before, after = torch.rand(4, generator=rng) * 3, torch.rand(6, generator=rng) * 3
    true = float(torch.linalg.matrix_norm(dense(layer, 4, 8, before, after), 2))
    found = linear_gain(layer, (8, 8), before=before, after=after)
    assert true <= found * (1 + 1e-6)
    assert found < 1.15 * true
    apart = float(before.max() * after.max()) * linear_gain(layer, (8, 8))
    assert found < apart


def test_a_linear_layer_has_its_largest_singular_value():
    layer = nn.Linear(5, 3)
    before, after = torch.rand(5) + 0.1, torch.rand(3) + 0.1
    expected = after.diag() @ layer.weight.detach() @ before.diag()
    assert torch.allclose(weighted_matrix(layer, before, after).float(), expected)
    found = linear_gain(layer, (1, 1), before=before, after=after)
    assert found == pytest.approx(float(torch.linalg.matrix_norm(expected, 2)), rel=1e-5)


def test_gains_of_a_batch_normalisation_are_what_it_does_in_evaluation():
    norm = nn.BatchNorm2d(3).eval()
    norm.running_var.copy_(torch.tensor([0.25, 1.0, 4.0]))
    nn.init.uniform_(norm.weight, -2, 2)
    images = torch.randn(2, 3, 2, 2)
    with torch.no_grad():
        moved = (norm(images + 1) - norm(images)).abs()[0, :, 0, 0]
    assert batch_norm_gains(norm).float().tolist() == pytest.approx(moved.tolist(), rel=1e-4)
    assert batch_norm_gains(nn.BatchNorm2d(2, affine=False, eps=0)).tolist() == [1, 1]


def test_circular_padding_that_goes_round_twice_has_no_bound():
    layer = nn.Conv2d(1, 1, 3, padding=2, padding_mode="circular")
    with pytest.raises(NoBoundError, match="goes round more than once"):
        linear_gain(layer, (4, 4))
    with pytest.raises(NoBoundError, match="`reflect` repeats values"):
        linear_gain(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), (4, 4))


def test_what_has_no_gain_is_told():
    with pytest.raises(TypeError, match="got a ReLU"):
        linear_gain(nn.ReLU(), (1, 1))
    with pytest.raises(NoBoundError, match="other images of the batch"):
        batch_norm_gains(nn.BatchNorm2d(1, track_running_stats=False))
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, float("nan"))
    with pytest.raises(NumericalError, match="NaN or infinity"):
        linear_gain(layer, (1, 1))
    norm = nn.BatchNorm2d(1, eps=0)
    norm.running_var.zero_()
    with pytest.raises(NumericalError, match="a variance of 0"):
        batch_norm_gains(norm)
