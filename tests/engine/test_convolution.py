"""Convolutions against automatic differentiation and against sums written out, at random shapes."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_twins import assert_like_autograd, randomised, run, run_twin, twin
from shiftgauge.engine import shifted
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.workspace import Mode, Workspace
from shiftgauge.errors import ConfigError, DataError


def _images(n, c, h, w, seed=0):
    return torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def _cases(draw):
    groups = draw(st.integers(1, 3))
    ins, outs = groups * draw(st.integers(1, 5)), groups * draw(st.integers(1, 4))
    kernel, stride, padding = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 6))
    least = max(1, kernel - 2 * padding)
    h, w = (draw(st.integers(least, least + 6)) for _ in range(2))
    layer = Conv2d(ins, outs, kernel, stride=stride, padding=padding, groups=groups, bias=draw(st.booleans()))
    return randomised(layer, draw(st.integers(0, 99))), _images(draw(st.integers(1, 3)), ins, h, w)


@settings(max_examples=60, deadline=None)
@given(_cases())
def test_outputs_and_gradients_equal_autograd(case):
    layer, x = case
    assert_like_autograd(layer, x)


@settings(max_examples=30, deadline=None)
@given(_cases())
def test_the_declared_shape_is_the_shape(case):
    layer, x = case
    assert layer.output_shape(tuple(x.shape[1:])) == tuple(run(layer, x)[0].shape[1:])


@pytest.mark.parametrize("channels", [2, 6])
def test_small_blocks_of_outputs_change_nothing(monkeypatch, channels):
    layer, x = randomised(Conv2d(channels, 3, 3, padding=1), 0), _images(2, channels, 7, 5)
    monkeypatch.setattr(shifted, "_BLOCK", 7)
    assert_like_autograd(layer, x)


def test_the_sum_of_the_docstring_written_out():
    layer, x = randomised(Conv2d(2, 2, 3, stride=2, padding=1), 5), _images(1, 2, 5, 4)
    weight, bias = layer.parameters["weight"], layer.parameters["bias"]
    y = run(layer, x)[0]
    for o, r, q in itertools.product(range(2), range(3), range(2)):
        total = bias[o].clone()
        for i, j, c in itertools.product(range(3), range(3), range(2)):
            row, column = 2 * r + i - 1, 2 * q + j - 1
            if 0 <= row < 5 and 0 <= column < 4:
                total += x[0, c, row, column] * weight[i, j, c, o]
        torch.testing.assert_close(y[0, o, r, q], total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("channels", "stride"), [(1, 1), (6, 1), (6, 2)])
def test_memory_used_again_for_other_sizes_leaves_nothing_behind(channels, stride):
    layer = randomised(Conv2d(channels, 3, 3, stride=stride, padding=1), 1)
    module, ws = twin(layer), Workspace(Mode(training=True, keep=True))
    for k, shape in enumerate([(3, 6, 5), (1, 6, 5), (2, 4, 9), (3, 6, 5)]):
        x = _images(shape[0], channels, *shape[1:], seed=k)
        mine, other = run(layer, x, ws=ws), run_twin(module, x)
        module.zero_grad()
        torch.testing.assert_close(mine[0], other[0], rtol=0, atol=1e-10)
        torch.testing.assert_close(mine[1], other[1], rtol=0, atol=1e-10)
        torch.testing.assert_close(mine[2]["weight"], other[2]["weight"], rtol=0, atol=1e-10)


def test_gradients_are_added_to_what_is_there_and_left_out_where_not_wanted():
    layer, x = randomised(Conv2d(5, 2, 3), 2), _images(2, 5, 4, 4)
    once = run(layer, x)[2]
    grads = {name: torch.ones_like(value) for name, value in layer.parameters.items()}
    ws = Workspace(Mode(training=True, keep=True, gradients=grads))
    y = layer.forward(x.permute(0, 2, 3, 1), ws)
    layer.backward(torch.cos(y), ws)
    torch.testing.assert_close(grads["bias"], once["bias"] + 1)
    torch.testing.assert_close(grads["weight"].permute(3, 2, 0, 1), once["weight"] + 1)
    ws.mode.gradients = None
    layer.backward(torch.cos(layer.forward(x.permute(0, 2, 3, 1), ws)), ws)
    torch.testing.assert_close(grads["bias"], once["bias"] + 1)


def test_the_given_gradient_and_the_input_are_left_as_they_are():
    layer, x = randomised(Conv2d(5, 2, 3, padding=1), 2), _images(2, 5, 4, 4)
    grad = _images(2, 2, 4, 4, seed=3)
    kept_x, kept_grad = x.clone(), grad.clone()
    run(layer, x, grad)
    assert torch.equal(x, kept_x)
    assert torch.equal(grad, kept_grad)


def test_float32_agrees_to_1e_4():
    layer, x = randomised(Conv2d(8, 16, 3, padding=1), 4), _images(4, 8, 16, 16)
    theirs = run_twin(twin(layer), x)
    layer.parameters = {name: value.float() for name, value in layer.parameters.items()}
    y, slope, grads = run(layer, x.float())
    for mine, other in ((y, theirs[0]), (slope, theirs[1]), (grads["weight"], theirs[2]["weight"])):
        assert float((mine - other).abs().max() / other.abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((0, 1, 3), {}, "`in_channels` must be a whole number ≥ 1, got 0"),
        ((4, 4, 3), {"groups": 3}, "`groups` must divide the channels, got 3 for 4 in and 4 out"),
        ((4, 4, 3), {"stride": 0}, "`stride` must be a whole number ≥ 1"),
        ((4, 4, 3), {"padding": -1}, "`padding` must be a whole number ≥ 0"),
        ((4, 4, 2.5), {}, "`kernel_size` must be a whole number"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, options, text):
    with pytest.raises(ConfigError, match=text.replace("(", r"\(")):
        Conv2d(*arguments, **options)


def test_maps_that_do_not_fit_are_refused():
    layer = Conv2d(3, 2, 5)
    with pytest.raises(ConfigError, match=r"takes maps of shape \(3, H, W\), got \(4, 8, 8\)"):
        layer.output_shape((4, 8, 8))
    with pytest.raises(ConfigError, match="a window of 5, but the map has 4 pixels"):
        layer.output_shape((3, 8, 4))
    with pytest.raises(DataError, match=r"takes a batch of shape \(N, H, W, 3\), got \(1, 8, 8, 4\)"):
        layer.forward(torch.zeros(1, 8, 8, 4), Workspace(Mode()))
