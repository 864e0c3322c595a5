"""Linear, activations, normalisation, dropout and layers together against automatic differentiation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine_twins import assert_like_autograd, randomised, run, run_twin, twin
from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.engine.workspace import Mode, Workspace
from shiftgauge.errors import ConfigError, DataError

_SEEDS = st.integers(0, 999)
_SMALL = st.integers(1, 4)


def _drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(_SMALL, _SMALL, _SMALL, st.booleans(), _SEEDS)
def test_linear_equals_autograd(n, ins, outs, bias, seed):
    assert_like_autograd(randomised(Linear(ins, outs, bias=bias), seed), _drawn(seed, n, ins))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([ReLU(), LeakyReLU(0.1), LeakyReLU(0.0), Sigmoid()]), _SMALL, _SMALL, _SEEDS)
def test_activations_equal_autograd_at_zero_too(layer, n, c, seed):
    x = _drawn(seed, n, c, 3, 5).mul(2).round().div(2)  # a fifth of the entries is exactly 0
    assert_like_autograd(layer, x)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), _SMALL, _SEEDS, st.booleans())
def test_batch_normalisation_equals_autograd_and_keeps_the_same_running_means(n, c, seed, training):
    layer, x = randomised(BatchNorm2d(c, momentum=0.3), seed), 3 * _drawn(seed, n, c, 2, 3) + 5
    module = assert_like_autograd(layer, x, training=training)
    for name, value in layer.buffers.items():
        torch.testing.assert_close(value, getattr(module, name), rtol=1e-12, atol=1e-12)


def test_flatten_has_the_order_of_pytorch():
    x = _drawn(0, 2, 3, 4, 5)
    assert torch.equal(run(Flatten(), x)[0], x.flatten(1))
    assert torch.equal(run(Flatten(), x)[1], torch.cos(x))


def _random_layers(draw):
    """A network of a few random parts on maps, which ends in numbers."""
    c = draw(st.integers(1, 6))
    start, parts = c, []
    for _ in range(draw(st.integers(1, 3))):
        out = draw(st.integers(1, 6))
        match draw(st.sampled_from(["plain", "normal", "residual", "grouped"])):
            case "plain":
                parts += [Conv2d(c, out, 3, padding=1), ReLU()]
            case "normal":
                parts += [Conv2d(c, out, 3, padding=1, bias=False), BatchNorm2d(out), LeakyReLU(0.2)]
            case "residual":
                body = Sequential(Conv2d(c, out, 3, padding=1), BatchNorm2d(out), ReLU(), Conv2d(out, out, 1))
                parts += [Residual(body, None if c == out else Conv2d(c, out, 1)), ReLU()]
            case "grouped":
                out = c
                parts += [Conv2d(c, c, 3, padding=1, groups=c), Sigmoid()]
        c = out
        pool = draw(st.sampled_from([None, MaxPool2d(2, padding=1), MaxPool2d(3, stride=1, padding=1), AvgPool2d(2)]))
        parts += [] if pool is None else [type(pool)(pool.kernel_size, stride=pool.stride, padding=pool.padding)]
    return start, Sequential(*parts)


@st.composite
def _networks(draw):
    channels, maps = _random_layers(draw)
    side = draw(st.integers(8, 10))
    shape = maps.output_shape((channels, side, side))
    wide = shape[0] * shape[1] * shape[2]
    head = [Flatten(), Linear(wide, 3), ReLU(), Linear(3, 2)]
    seed = draw(_SEEDS)
    return randomised(Sequential(maps, *head), seed), _drawn(seed, draw(st.integers(2, 3)), channels, side, side)


@settings(max_examples=40, deadline=None)
@given(_networks(), st.booleans())
def test_layers_together_equal_autograd(case, training):
    layer, x = case
    assert_like_autograd(layer, x, training=training, atol=1e-9)


def test_a_relu_before_a_maximum_is_done_after_it_with_the_same_result():
    layers = randomised(Sequential(Conv2d(2, 3, 3, padding=1), ReLU(), MaxPool2d(2), MaxPool2d(2)), 0)
    assert layers._order == [0, 2, 3, 1]
    x = _drawn(1, 2, 2, 8, 8)
    x[0] = 0.0  # equal values everywhere
    assert_like_autograd(layers, x)


def test_layers_of_a_network_write_over_what_nobody_needs():
    layers = randomised(Sequential(Conv2d(5, 3, 3), MaxPool2d(2), ReLU()), 0)
    ws = Workspace(Mode(training=True, keep=True))
    y = layers.forward(_drawn(0, 1, 6, 6, 5), ws)
    pooled = ws.child("1").kept["maxima 1"][-1]
    assert y.data_ptr() == pooled.data_ptr()
    slope = ws.child("1").kept["padded"]
    assert slope.data_ptr() == ws.child("0").kept["outputs"].data_ptr()


def test_sequences_and_short_cuts_leave_input_and_gradient_as_they_are():
    x, grad = _drawn(0, 2, 3, 4, 4), _drawn(1, 2, 3, 4, 4)
    kept_x, kept_grad = x.clone(), grad.clone()
    for layer in (Sequential(ReLU(), LeakyReLU()), Residual(Sequential(ReLU()), Sequential(Sigmoid()))):
        run(layer, x, grad)
        assert torch.equal(x, kept_x)
        assert torch.equal(grad, kept_grad)


def test_the_gradient_stops_at_the_first_layer_that_learns():
    layers = randomised(Sequential(MaxPool2d(2), Conv2d(5, 3, 1), ReLU()), 0)
    grads = {"1.weight": torch.zeros(1, 1, 5, 3).double(), "1.bias": torch.zeros(3).double()}
    ws = Workspace(Mode(training=True, keep=True, gradients=grads))
    ws.wants_input_gradient = False
    y = layers.forward(_drawn(0, 1, 4, 4, 5), ws)
    layers.backward(torch.cos(y), ws)
    assert "pixels' gradient" not in ws.child("1")._storage
    assert "input gradient" not in ws.child("0")._storage
    theirs = run_twin(twin(layers), _drawn(0, 1, 4, 4, 5).permute(0, 3, 1, 2))[2]["1.weight"]
    torch.testing.assert_close(grads["1.weight"].permute(3, 2, 0, 1), theirs)


def test_a_sigmoid_is_exact_where_it_overflows():
    x = torch.tensor([[-1e4, -100.0, 100.0, 1e4]])
    y, slope, _ = run(Sigmoid(), x, torch.ones(1, 4))
    assert y.tolist() == [[0.0, pytest.approx(0.0, abs=1e-40), 1.0, 1.0]]
    assert bool(torch.isfinite(slope).all())


def test_dropout_drops_its_share_keeps_the_mean_and_passes_the_same_entries_back():
    layer, x = Dropout(0.25), torch.ones(4, 50000)
    y, slope, _ = run(layer, x, torch.ones_like(x))
    assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float((y == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(slope, y)
    assert torch.equal(run(layer, x, torch.ones_like(x), training=False)[0], x)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Linear(0, 3), "`in_features` must be a whole number ≥ 1, got 0"),
        (lambda: LeakyReLU(1.0), "`slope` must be below 1"),
        (lambda: Dropout(1.0), "`probability` must be below 1"),
        (lambda: BatchNorm2d(3, epsilon=0), "`epsilon` must be above 0"),
        (lambda: Sequential(nn.ReLU()), "layer 0 must be a `Layer` of shiftgauge.engine, got ReLU"),
        (lambda: Sequential(*[ReLU()] * 2), "the same layer stands twice"),
        (lambda: Sequential(Conv2d(1, 2, 3), Linear(4, 2)).output_shape((1, 4, 4)), "layer 1: .* put `Flatten` before"),
        (lambda: Residual(Linear(4, 3)).output_shape((4,)), "give it a `shortcut`"),
        (lambda: Flatten().output_shape((4,)), "`Flatten` takes maps"),
    ],
)
def test_layers_that_make_no_sense_are_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()


def test_a_single_pixel_has_no_batch_statistics():
    with pytest.raises(DataError, match="at least 2 pixels"):
        run(randomised(BatchNorm2d(2), 0), _drawn(0, 1, 2, 1, 1))
