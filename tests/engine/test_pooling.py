"""Pooling against automatic differentiation, with many equal values on purpose."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_twins import assert_like_autograd, run, run_twin, twin
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.workspace import Mode, Workspace
from shiftgauge.errors import ConfigError


@st.composite
def _cases(draw, kind):
    kernel, stride = draw(st.integers(2, 4)), draw(st.one_of(st.none(), st.integers(1, 5)))
    padding = draw(st.integers(0, kernel // 2))
    least = kernel - 2 * padding if kernel > 2 * padding else 1
    shape = [draw(st.integers(least, least + 7)) for _ in range(2)]
    rng = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    levels = draw(st.sampled_from([2, 3, 1000]))  # few levels give many ties
    x = torch.randint(-levels, levels, (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *shape), generator=rng)
    return kind(kernel, stride=stride, padding=padding), x.double()


@settings(max_examples=60, deadline=None)
@given(_cases(MaxPool2d))
def test_maxima_and_their_gradients_equal_autograd_ties_included(case):
    layer, x = case
    assert_like_autograd(layer, x)


@settings(max_examples=40, deadline=None)
@given(_cases(AvgPool2d))
def test_means_and_their_gradients_equal_autograd(case):
    layer, x = case
    assert_like_autograd(layer, x)


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_the_declared_shape_is_the_shape(kind):
    layer, x = kind(3, stride=2, padding=1), torch.randn(1, 2, 7, 4, dtype=torch.float64)
    assert layer.output_shape((2, 7, 4)) == tuple(run(layer, x)[0].shape[1:]) == (2, 4, 2)


def test_the_first_of_equal_values_in_reading_order_takes_the_gradient():
    x = torch.tensor([[0.0, 7.0], [7.0, 7.0]], dtype=torch.float64).view(1, 1, 2, 2)
    slope = run(MaxPool2d(2), x, torch.ones(1, 1, 1, 1, dtype=torch.float64))[1]
    assert slope.view(2, 2).tolist() == [[0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("layer", [MaxPool2d(2), MaxPool2d(3, stride=2, padding=1)])
def test_gradients_may_take_the_place_of_the_input_where_that_is_allowed(layer):
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    ws = Workspace(Mode(training=True, keep=True))
    ws.may_overwrite = True
    theirs = run_twin(twin(layer), x)
    given_x = x.permute(0, 2, 3, 1).contiguous()
    y = layer.forward(given_x, ws).clone()
    slope = layer.backward(torch.cos(y), ws)
    torch.testing.assert_close(y.permute(0, 3, 1, 2), theirs[0])
    torch.testing.assert_close(slope.permute(0, 3, 1, 2), theirs[1])
    assert (slope.data_ptr() == given_x.data_ptr()) == (layer.padding == 0)


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_input_and_given_gradient_are_left_as_they_are(kind):
    x, grad = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(2, 3, 3, 3, dtype=torch.float64)
    kept_x, kept_grad = x.clone(), grad.clone()
    run(kind(2), x, grad)
    assert torch.equal(x, kept_x)
    assert torch.equal(grad, kept_grad)


def test_windows_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="at most half of `kernel_size`, got 2 for 3"):
        MaxPool2d(3, padding=2)
    with pytest.raises(ConfigError, match="must be 2 or more, got 1"):
        AvgPool2d(1)
    with pytest.raises(ConfigError, match="`MaxPool2d` has a window of 4, but the map has 3 pixels"):
        MaxPool2d(4).output_shape((1, 3, 8))
