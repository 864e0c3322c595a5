"""Losses and their gradients against PyTorch and against their limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from shiftgauge.engine.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy, FocalLoss
from shiftgauge.errors import ConfigError, DataError


def _binary(seed, n, k, spread=3.0):
    rng = torch.Generator().manual_seed(seed)
    z = spread * torch.randn(n, k, generator=rng, dtype=torch.float64)
    return z, torch.rand(n, k, generator=rng, dtype=torch.float64).round()


def _by_autograd(function, z):
    z = z.clone().requires_grad_()
    value = function(z)
    value.backward()
    return value.item(), z.grad


def _assert_same(found, expected, tolerance=1e-12):
    assert found[0] == pytest.approx(expected[0], rel=tolerance, abs=tolerance)
    torch.testing.assert_close(found[1], expected[1], rtol=tolerance, atol=tolerance)


_CASES = given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 3), st.floats(0.1, 8.0))


@settings(max_examples=30, deadline=None)
@_CASES
def test_cross_entropy_on_logits_is_that_of_pytorch(seed, n, k, weight):
    z, t = _binary(seed, n, k)
    expected = _by_autograd(
        lambda z: functional.binary_cross_entropy_with_logits(z, t, pos_weight=torch.tensor([weight], dtype=z.dtype)), z
    )
    _assert_same(BinaryCrossEntropyWithLogits(positive_weight=weight)(z, t), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 3))
def test_cross_entropy_on_probabilities_is_that_of_pytorch_inside_the_clamp(seed, n, k):
    z, t = _binary(seed, n, k)
    _assert_same(
        BinaryCrossEntropy()(torch.sigmoid(z), t),
        _by_autograd(lambda p: functional.binary_cross_entropy(p, t), torch.sigmoid(z)),
    )


@settings(max_examples=30, deadline=None)
@_CASES
def test_focal_loss_follows_its_definition(seed, n, k, gamma):
    z, t = _binary(seed, n, k)

    def defined(z):
        p = torch.where(t == 1, torch.sigmoid(z), torch.sigmoid(-z))
        weight = torch.where(t == 1, 2.5, 1.0)
        return (-weight * (1 - p) ** gamma * torch.log(p)).mean()

    _assert_same(FocalLoss(gamma=gamma, positive_weight=2.5)(z, t), _by_autograd(defined, z), 1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 8.0))
def test_focal_loss_with_gamma_0_is_the_cross_entropy(seed, weight):
    z, t = _binary(seed, 6, 2)
    found = FocalLoss(gamma=0.0, positive_weight=weight)(z, t)
    _assert_same(found, BinaryCrossEntropyWithLogits(positive_weight=weight)(z, t), 1e-12)


def test_the_positive_weight_acts_on_positives_alone():
    z, t = _binary(0, 50, 1)
    for kind in (BinaryCrossEntropyWithLogits, FocalLoss):
        _, plain = kind()(z, t)
        _, weighted = kind(positive_weight=3.0)(z, t)
        torch.testing.assert_close(weighted, torch.where(t == 1, 3 * plain, plain))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(1, 5), st.integers(2, 4), st.booleans())
def test_softmax_cross_entropy_is_that_of_pytorch(seed, n, k, weighted):
    z, _ = _binary(seed, n, k)
    t = torch.arange(n) * 7 % k
    weights = tuple(0.5 + c for c in range(k)) if weighted else None
    torch_weights = torch.tensor(weights, dtype=torch.float64) if weighted else None
    expected = _by_autograd(lambda z: functional.cross_entropy(z, t, torch_weights), z)
    _assert_same(CrossEntropy(class_weights=weights)(z, t), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_0_and_1_have_finite_loss_and_gradient(dtype):
    p, t = torch.tensor([[0.0], [1.0], [0.0], [1.0]], dtype=dtype), torch.tensor([0.0, 1.0, 1.0, 0.0])
    value, grad = BinaryCrossEntropy()(p, t)
    assert value == pytest.approx(-math.log(1e-7) / 2, rel=2e-2)  # 1 − 10⁻⁷ is rounded in float32
    assert bool(torch.isfinite(grad).all())
    assert grad[2].item() == pytest.approx(-1e7 / 4, rel=1e-5)


def test_a_confidently_wrong_logit_still_has_its_full_gradient():
    z, t = torch.tensor([[40.0], [-1e4]]), torch.tensor([0.0, 1.0])
    value, grad = BinaryCrossEntropyWithLogits()(z, t)
    assert value == pytest.approx((40 + 1e4) / 2)
    assert grad.flatten().tolist() == [0.5, -0.5]
    through_sigmoid = torch.sigmoid(z[:1])
    _, on_p = BinaryCrossEntropy()(through_sigmoid, t[:1])
    assert (on_p * through_sigmoid * (1 - through_sigmoid)).item() == 0.0  # the dead gradient of the published way


@pytest.mark.parametrize("z", [-1e4, -50.0, 0.0, 50.0, 1e4])
@pytest.mark.parametrize("t", [0.0, 1.0])
def test_losses_on_logits_never_overflow(z, t):
    for loss in (BinaryCrossEntropyWithLogits(), FocalLoss(gamma=2.0), FocalLoss(gamma=0.5)):
        value, grad = loss(torch.tensor([[z]]), torch.tensor([t]))
        assert math.isfinite(value)
        assert bool(torch.isfinite(grad).all())
    value, grad = CrossEntropy()(torch.tensor([[z, 0.0]]), torch.tensor([int(t)]))
    assert math.isfinite(value)
    assert bool(torch.isfinite(grad).all())


@pytest.mark.parametrize("loss", [BinaryCrossEntropyWithLogits(), FocalLoss(), CrossEntropy(class_weights=(1, 2, 3))])
def test_parts_of_a_batch_add_up(loss):
    z, _ = _binary(0, 7, 3)
    t = torch.arange(7) % 3 if isinstance(loss, CrossEntropy) else _binary(0, 7, 3)[1]
    value, grad = loss(z, t)
    first, second = (loss.sum_and_gradient(z[rows], t[rows]) for rows in (slice(0, 3), slice(3, 7)))
    assert (first[0] + second[0]) / loss.denominator(t) == pytest.approx(value)
    torch.testing.assert_close(torch.cat([first[1], second[1]]) / loss.denominator(t), grad)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: FocalLoss(gamma=-1.0), ConfigError, "`gamma` must be ≥ 0, got -1"),
        (lambda: BinaryCrossEntropyWithLogits(positive_weight=0), ConfigError, "`positive_weight` must be above 0"),
        (lambda: BinaryCrossEntropy(clamp=0.5), ConfigError, "`clamp` must be above 0 and below 0.5"),
        (lambda: CrossEntropy(class_weights=(1, 0)), ConfigError, r"`class_weights\[1\]` must be above 0"),
        (lambda: FocalLoss()(torch.zeros(2, 2), torch.zeros(2)), DataError, r"outputs' shape \(2, 2\), got \(2,\)"),
        (lambda: FocalLoss()(torch.zeros(1, 1), torch.full((1,), 2.0)), DataError, r"in \[0, 1\], got 2 to 2"),
        (lambda: CrossEntropy()(torch.zeros(1, 2), torch.tensor([2])), DataError, "classes must be 0 to 1, got 2"),
        (lambda: CrossEntropy()(torch.zeros(1, 2), torch.tensor([1.0])), DataError, "classes int64"),
        (
            lambda: CrossEntropy(class_weights=(1,))(torch.zeros(1, 2), torch.tensor([0])),
            ConfigError,
            "holds 1 numbers",
        ),
    ],
)
def test_wrong_numbers_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
