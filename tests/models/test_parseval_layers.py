"""Convex aggregation on the simplex, convolutions of norm 1, a normalisation without gain."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shiftgauge.errors import ConfigError
from shiftgauge.models.parseval_layers import ConvexAggregation, MeanOnlyBatchNorm2d, ScaledConv2d, project_simplex

numbers = st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=8)


def by_bisection(values):
    """The projection as max(v − τ, 0) with τ found by halving."""
    low, high = min(values) - 2, max(values)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(values - low, 0)


def dense(layer, size):
    """The linear part of a layer as a matrix, one column for each value of its input."""
    n = layer.in_channels * size * size
    with torch.no_grad():
        units = torch.eye(n).view(n, layer.in_channels, size, size)
        zero = layer(torch.zeros(1, layer.in_channels, size, size))
        return (layer(units) - zero).flatten(1).T


@pytest.mark.parametrize(
    ("given_values", "expected"),
    [
        ((0.9, 0.6), (0.65, 0.35)),
        ((1.4, -0.2), (1, 0)),
        ((0.2, 0.2), (0.5, 0.5)),
        ((0.5, 0.4, -0.3), (0.55, 0.45, 0)),
    ],
)
def test_the_stated_projections_on_the_simplex(given_values, expected):
    assert project_simplex(torch.tensor(given_values)).tolist() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_the_projection_is_the_nearest_point_of_the_simplex(values):
    given_values = np.array(values, dtype=np.float64)
    found = project_simplex(torch.from_numpy(given_values)).numpy()
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert found == pytest.approx(by_bisection(given_values), abs=1e-9)
    assert project_simplex(torch.from_numpy(found)).numpy() == pytest.approx(found, abs=1e-9)


def test_rows_are_projected_each_by_itself_and_nan_stays():
    rows = torch.tensor([[0.9, 0.6], [1.4, -0.2]])
    assert torch.equal(project_simplex(rows)[1], project_simplex(rows[1]))
    assert project_simplex(torch.tensor([float("nan"), 1.0])).isnan().any()


@pytest.mark.parametrize("form", ["simplex", "sigmoid"])
def test_lambda_is_saved_gets_a_gradient_and_is_trained(form, tmp_path):
    layer, (a, b) = ConvexAggregation(form=form), torch.randn(2, 6, 3, 4, 4)
    assert layer.weights.tolist() == pytest.approx([0.5, 0.5])
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(a, b).square().sum().backward()
    assert layer.lam.grad.abs().min() > 0
    optimizer.step()
    trained = layer.weights.detach()
    assert not torch.allclose(trained, torch.tensor([0.5, 0.5]))
    torch.save(layer.state_dict(), tmp_path / "aggregation.pt")
    again = ConvexAggregation(form=form)
    again.load_state_dict(torch.load(tmp_path / "aggregation.pt", weights_only=True))
    assert torch.equal(again.weights, trained)


def test_an_aggregation_is_the_weighted_sum_of_its_tensors():
    a, b, c = torch.randn(3, 2, 3)
    assert torch.allclose(ConvexAggregation(start=(0.2, 0.8))(a, b), 0.2 * a + 0.8 * b)
    assert torch.allclose(ConvexAggregation(form="sigmoid", start=(0.2, 0.8))(a, b), 0.2 * a + 0.8 * b)
    assert torch.allclose(ConvexAggregation(3, start=(0.2, 0.5, 0.3))(a, b, c), 0.2 * a + 0.5 * b + 0.3 * c)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 1}, "`n`"),
        ({"start": (0.5, 0.6)}, "2 numbers that add up to 1"),
        ({"start": (1.0,)}, "2 numbers that add up to 1"),
        ({"form": "softmax"}, "did you mean `simplex`|allowed are"),
        ({"form": "sigmoid", "start": (1, 0)}, "take `simplex`"),
        ({"n": 3, "form": "sigmoid"}, "take `simplex`"),
    ],
)
def test_aggregations_off_the_simplex_are_told(options, said):
    with pytest.raises(ConfigError, match=said):
        ConvexAggregation(**options)


def test_an_aggregation_tells_how_many_tensors_it_takes():
    with pytest.raises(ConfigError, match="takes 2 tensors, got 1"):
        ConvexAggregation()(torch.ones(1))


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"padding": 1, "stride": 2},
        {"padding": 0, "stride": (2, 1)},
        {"padding": 2, "dilation": 2},
        {"padding": 1, "dilation": 2, "stride": 2},
        {"padding": 2, "stride": 3},
        {"padding": 1, "groups": 2},
    ],
)
def test_a_tight_kernel_divided_by_its_windows_never_enlarges(options):
    torch.manual_seed(0)
    layer = ScaledConv2d(4, 6, 3, **options)
    for group in layer.weight.data.chunk(layer.groups):
        nn.init.orthogonal_(group)
    assert torch.linalg.matrix_norm(dense(layer, 7), 2) <= 1 + 1e-5


def test_the_bound_by_windows_is_reached():
    layer = ScaledConv2d(1, 1, 3, padding=1, bias=False)
    nn.init.constant_(layer.weight, 1 / 3)
    plain = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    plain.weight = layer.weight
    assert 2.9 < torch.linalg.matrix_norm(dense(plain, 24), 2) < 3
    assert 0.96 < torch.linalg.matrix_norm(dense(layer, 24), 2) < 1


@pytest.mark.parametrize("stride", [1, 2])
def test_the_measured_norm_makes_the_layer_one_of_norm_one(stride):
    torch.manual_seed(1)
    layer = ScaledConv2d(2, 3, 3, padding=1, stride=stride, scaling="measured", size=6)
    assert layer.factor == pytest.approx(1 / 3 if stride == 1 else 1 / 2)
    layer.refresh(200)
    assert torch.linalg.matrix_norm(dense(layer, 6), 2) == pytest.approx(1, abs=1e-3)
    assert torch.linalg.matrix_norm(dense(layer, 4), 2) <= 1.001
    with torch.no_grad():
        layer.weight.mul_(2)
    layer.refresh()  # the vector is there already
    assert torch.linalg.matrix_norm(dense(layer, 6), 2) == pytest.approx(1, abs=1e-3)


def test_the_measured_norm_goes_on_from_where_it_was_saved():
    layer, other = (ScaledConv2d(2, 3, 3, scaling="measured", size=(6, 5)) for _ in range(2))
    layer.refresh(3)
    other.load_state_dict(layer.state_dict())
    assert set(layer.state_dict()) == {"weight", "bias", "norm", "vector"}
    for module in (layer, other):
        module.refresh(2)
    assert torch.equal(layer.norm, other.norm)
    images = torch.randn(1, 2, 5, 5)
    assert torch.equal(other(images), layer(images))


def test_a_layer_of_zeros_keeps_its_norm():
    layer = ScaledConv2d(1, 1, 3, scaling="measured")
    nn.init.zeros_(layer.weight)
    layer.refresh()
    assert layer.norm == 3


def test_gradients_flow_through_the_scale():
    layer = ScaledConv2d(1, 1, 1, bias=False)
    wide = ScaledConv2d(1, 1, 3, bias=False)
    layer(torch.ones(1, 1, 3, 3)).sum().backward()
    wide(torch.ones(1, 1, 3, 3)).sum().backward()
    assert layer.weight.grad.item() == 9
    assert wide.weight.grad.flatten().tolist() == pytest.approx([1 / 3] * 9)


def test_the_mean_of_training_is_taken_away_and_nothing_is_divided():
    torch.manual_seed(0)
    layer, images = MeanOnlyBatchNorm2d(3, momentum=0.25), 5 * torch.randn(8, 3, 4, 4) + 2
    assert torch.allclose(layer(images), images - images.mean(dim=(0, 2, 3), keepdim=True), atol=1e-5)
    assert torch.allclose(layer.running_mean, 0.25 * images.mean(dim=(0, 2, 3)))
    layer.eval()
    a, b = layer(images[:4]), layer(images[4:])
    assert torch.allclose(a - b, images[:4] - images[4:], atol=1e-5)
    assert torch.allclose(layer.running_mean, 0.25 * images.mean(dim=(0, 2, 3)))


def test_unknown_words_and_numbers_are_told():
    with pytest.raises(ConfigError, match="did you mean `windows`"):
        ScaledConv2d(1, 1, 3, scaling="window")
    with pytest.raises(ConfigError, match="momentum"):
        MeanOnlyBatchNorm2d(3, momentum=2)
