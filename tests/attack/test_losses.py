"""Losses of logits: their definitions, value by value; where float32 saturates; which classes they need."""

import math

import numpy as np
import pytest
import torch

from shiftgauge.attack.losses import attack_loss, fooled
from shiftgauge.errors import ConfigError

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 1.0], [0.0, 3.0, 3.0, -2.0], [1.0, 0.0, 0.2, 0.1]])
LABELS, TARGETS = torch.tensor([0, 3, 1]), torch.tensor([2, 0, 0])


def _plain(name, z, y, t=None):
    """The definitions, one image at a time."""
    z = [float(v) for v in z]
    order = sorted(z, reverse=True)
    total = sum(math.exp(v) for v in z)
    best_other = max(v for j, v in enumerate(z) if j != (y if t is None else t))
    if name == "ce":
        return -math.log(math.exp(z[y]) / total) if t is None else math.log(math.exp(z[t]) / total)
    if name == "log_odds":
        k = y if t is None else t
        p = math.exp(z[k]) / total
        return (1 if t is not None else -1) * math.log(p / (1 - p))
    if name == "margin":
        return best_other - z[y] if t is None else z[t] - best_other
    if t is None:
        return -(z[y] - best_other) / (order[0] - order[2])
    return -(z[y] - z[t]) / (order[0] - (order[2] + order[3]) / 2)


@pytest.mark.parametrize("name", ["ce", "log_odds", "margin", "dlr"])
def test_losses_are_what_their_definitions_say(name):
    away = [_plain(name, z, y) for z, y in zip(LOGITS, LABELS.tolist(), strict=True)]
    towards = [_plain(name, z, y, t) for z, y, t in zip(LOGITS, LABELS.tolist(), TARGETS.tolist(), strict=True)]
    np.testing.assert_allclose(attack_loss(name, LOGITS, LABELS), away, rtol=1e-5)
    np.testing.assert_allclose(attack_loss(name, LOGITS, LABELS, TARGETS), towards, rtol=1e-5)


@pytest.mark.parametrize("name", ["ce", "log_odds", "margin", "dlr"])
def test_gradient_is_that_of_the_definition(name):
    z = LOGITS[:1].double().requires_grad_()
    (slope,) = torch.autograd.grad(attack_loss(name, z, LABELS[:1]).sum(), z)
    for j in range(4):
        step = torch.zeros(4, dtype=torch.float64)
        step[j] = 1e-6
        ends = [_plain(name, LOGITS[0].double() + s * step, 0) for s in (1, -1)]
        assert float(slope[0, j]) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-5)


def test_saturated_cross_entropy_keeps_its_direction_and_order():
    """Where float32 rounds the probability to 1, the gradient of the cross-entropy itself is 0."""
    z = torch.tensor([[200.0, 0.0, 10.0], [150.0, 0.0, 10.0], [3.0, 0.0, 1.0]], requires_grad=True)
    y = torch.zeros(3, dtype=torch.long)
    (plain,) = torch.autograd.grad(torch.nn.functional.cross_entropy(z, y, reduction="sum"), z)
    assert not plain[:2].any()
    values = attack_loss("ce", z, y)
    (slope,) = torch.autograd.grad(values.sum(), z)
    assert values[0] < values[1] < values[2]
    for row, logits in enumerate(z.detach().double()):
        ways = torch.cat([torch.tensor([-1.0]).double(), logits[1:].softmax(dim=0)])  # p_j / (1 - p_y), and p_y - 1
        assert torch.allclose(torch.nn.functional.normalize(slope[row].double(), dim=0), ways / ways.norm(), atol=1e-5)


def test_cross_entropy_that_is_not_saturated_is_torchs_bit_for_bit():
    z = (torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3).requires_grad_()
    y = z.argmax(dim=1)
    (ours,) = torch.autograd.grad(attack_loss("ce", z, y).sum(), z)
    (theirs,) = torch.autograd.grad(torch.nn.functional.cross_entropy(z, y, reduction="sum"), z)
    assert torch.equal(ours, theirs)


def test_two_classes_have_a_margin_and_no_dlr():
    z, y = torch.tensor([[1.0, 0.5]]), torch.tensor([0])
    assert attack_loss("margin", z, y).tolist() == [-0.5]
    with pytest.raises(ConfigError, match=r"compares 3 classes, the model has 2; use `ce` or `margin`"):
        attack_loss("dlr", z, y)
    with pytest.raises(ConfigError, match="towards a class compares 4 classes, the model has 3"):
        attack_loss("dlr", torch.rand(1, 3), y, torch.tensor([1]))


def test_fooled_is_any_other_class_or_the_one_asked_for():
    assert fooled(LOGITS, LABELS).tolist() == [False, True, True]
    assert fooled(LOGITS, LABELS, TARGETS).tolist() == [False, False, True]
    with pytest.raises(ConfigError, match="unknown loss"):
        attack_loss("cw", LOGITS, LABELS)
