import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.losses import LossOptions, class_weights, make_loss

WELD_WEIGHTS = [0.50745985, 2.49261544, 0.7026614, 1.10335981, 1.50502314, 1.57656379]
WELD_SHARES = [0.32843, 0.06686, 0.23719, 0.15105, 0.11074, 0.10572]


def _single(n=40, k=4, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, scale, (n, k))), torch.from_numpy(rng.integers(0, k, n))


def _multi(n=40, k=4, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, scale, (n, k))), torch.from_numpy((rng.random((n, k)) < 0.3).astype(float))


def _loss(task, k=4, **options):
    return make_loss(LossOptions(**options), task=task, counts_k=[10] * k, n_images=40)


def test_weights_of_the_weld_study_follow_from_its_class_shares():
    counts = np.round(np.array(WELD_SHARES) * 1e6)
    np.testing.assert_allclose(class_weights(counts), WELD_WEIGHTS, rtol=1e-4)
    np.testing.assert_allclose(1 / (6 * np.array(WELD_WEIGHTS)), WELD_SHARES, atol=1e-5)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=9))
@settings(max_examples=30, deadline=None)
def test_balanced_weights_are_those_of_scikit_learn(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    np.testing.assert_allclose(class_weights(counts), expected, rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch_with_weights_and_smoothing(smoothing):
    logits, targets = _single()
    loss = _loss("single", class_weights=(1, 2, 5, 5), label_smoothing=smoothing)
    weights = torch.tensor([1.0, 2, 5, 5], dtype=torch.float64)
    expected = functional.cross_entropy(logits, targets, weights, label_smoothing=smoothing)
    assert float(loss(logits, targets)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [1e-12, 0.0])
def test_focal_loss_without_focus_is_cross_entropy(gamma, smoothing):
    logits, targets = _single()
    expected = functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    focal = _loss("single", kind="focal", gamma=gamma, label_smoothing=smoothing)
    assert float(focal(logits, targets)) == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize("gamma", [1e-12, 0.0])
def test_focal_loss_without_focus_is_binary_cross_entropy(gamma):
    logits, targets = _multi()
    expected = functional.binary_cross_entropy_with_logits(logits, targets)
    assert float(_loss("multi", kind="focal", gamma=gamma)(logits, targets)) == pytest.approx(float(expected), abs=1e-7)


def test_binary_cross_entropy_is_that_of_torch_with_both_kinds_of_weights():
    logits, targets = _multi()
    loss = _loss("multi", kind="binary_cross_entropy", class_weights=(1, 2, 3, 4), positive_weights=(2, 1, 8, 3))
    expected = functional.binary_cross_entropy_with_logits(
        logits,
        targets,
        weight=torch.tensor([1.0, 2, 3, 4], dtype=torch.float64),
        pos_weight=torch.tensor([2.0, 1, 8, 3], dtype=torch.float64),
    )
    assert float(loss(logits, targets)) == pytest.approx(float(expected), rel=1e-12)


def _plain_focal_single(logits, targets, weights, gamma):
    total = 0.0
    for row, target in zip(logits.numpy(), targets.numpy(), strict=True):
        p = math.exp(row[target]) / sum(math.exp(z) for z in row)
        total += weights[target] * (1 - p) ** gamma * -math.log(p)
    return total / sum(weights[t] for t in targets.numpy())


def _plain_focal_multi(logits, targets, weights, positive, gamma):
    total = 0.0
    for i, k in np.ndindex(*logits.shape):
        p = 1 / (1 + math.exp(-float(logits[i, k])))
        if targets[i, k] == 1:
            total += weights[k] * positive[k] * (1 - p) ** gamma * -math.log(p)
        else:
            total += weights[k] * p**gamma * -math.log(1 - p)
    return total / logits.numel()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.5])
def test_focal_losses_are_the_published_formula_term_by_term(gamma):
    weights, positive = (1.0, 2.0, 5.0, 5.0), (1.0, 4.0, 2.0, 8.0)
    logits, targets = _single()
    loss = _loss("single", kind="focal", gamma=gamma, class_weights=weights)
    assert float(loss(logits, targets)) == pytest.approx(_plain_focal_single(logits, targets, weights, gamma), rel=1e-9)
    logits, targets = _multi()
    loss = _loss("multi", kind="focal", gamma=gamma, class_weights=weights, positive_weights=positive)
    expected = _plain_focal_multi(logits, targets, weights, positive, gamma)
    assert float(loss(logits, targets)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["binary_cross_entropy", "focal"])
def test_positive_weights_act_where_the_label_is_present_and_nowhere_else(kind):
    logits, _ = _multi()
    plain, weighted = _loss("multi", kind=kind), _loss("multi", kind=kind, positive_weights=(7.0,) * 4)
    absent, present = torch.zeros_like(logits), torch.ones_like(logits)
    assert torch.equal(weighted(logits, absent), plain(logits, absent))
    assert float(weighted(logits, present)) == pytest.approx(7 * float(plain(logits, present)), rel=1e-12)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_class_weights_have_an_effect_on_the_focal_loss(task):
    logits, targets = _single() if task == "single" else _multi()
    plain, weighted = (_loss(task, kind="focal", class_weights=w) for w in ("none", (1.0, 2.0, 5.0, 5.0)))
    assert abs(float(plain(logits, targets)) - float(weighted(logits, targets))) > 1e-3


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("task", ["single", "multi"])
def test_extreme_logits_give_finite_losses_and_gradients_that_still_pull(task, gamma):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    wrong = torch.tensor([1, 0]) if task == "single" else torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    right = torch.tensor([0, 1]) if task == "single" else torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = _loss(task, k=2, kind="focal", gamma=gamma)
    (gradient,) = torch.autograd.grad(loss(logits, wrong), logits)
    assert torch.isfinite(gradient).all()
    assert (gradient.abs() > 0.1).all()
    (gradient,) = torch.autograd.grad(loss(logits, right), logits)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_agree_with_finite_differences(task, smoothing):
    logits, targets = _single(n=5) if task == "single" else _multi(n=5)
    loss = _loss(task, kind="focal", gamma=1.5, class_weights=(1, 2, 3, 4), label_smoothing=smoothing)
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits.requires_grad_(),))


def test_smoothed_binary_targets_are_drawn_towards_one_half():
    logits, targets = _multi()
    loss = _loss("multi", kind="binary_cross_entropy", label_smoothing=0.2)
    expected = functional.binary_cross_entropy_with_logits(logits, targets * 0.8 + 0.1)
    assert float(loss(logits, targets)) == pytest.approx(float(expected), rel=1e-12)


def test_balanced_weights_come_from_the_counts_of_the_training_images():
    logits, targets = _multi(k=2)
    options = LossOptions(kind="binary_cross_entropy", class_weights="balanced", positive_weights="balanced")
    loss = make_loss(options, task="multi", counts_k=[10, 40], n_images=100)
    named = LossOptions(kind="binary_cross_entropy", class_weights=(5, 1.25), positive_weights=(9, 1.5))
    expected = make_loss(named, task="multi", counts_k=[10, 40], n_images=100)
    assert torch.equal(loss(logits, targets), expected(logits, targets))


def test_half_precision_logits_are_raised_before_the_loss():
    logits, targets = _single()
    half = logits.to(torch.bfloat16)
    loss = _loss("single", kind="focal")
    assert loss(half, targets).dtype == torch.float32
    assert torch.equal(loss(half, targets), loss(half.float(), targets))


def test_the_loss_adds_nothing_to_a_state_dict_and_can_be_copied():
    loss = _loss("multi", kind="focal", class_weights=(1, 2, 3, 4))
    assert not loss.state_dict()
    assert not list(loss.parameters())
    logits, targets = _multi()
    assert torch.equal(copy.deepcopy(loss)(logits, targets), loss(logits, targets))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cross_entropi"}, "did you mean `cross_entropy`"),
        ({"gamma": -1}, "`gamma` must be ≥ 0, got -1"),
        ({"label_smoothing": 1}, "must be below 1"),
        ({"class_weights": "balance"}, "did you mean `balanced`"),
        ({"class_weights": (1, 0)}, "one number > 0 for each class"),
        ({"class_weights": (1, math.nan)}, r"class_weights\[1\]"),
        ({"positive_weights": 3.0}, "none, balanced or a list"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        LossOptions(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("single", {"kind": "binary_cross_entropy"}, "one class an image; take cross_entropy or focal"),
        ("multi", {"kind": "cross_entropy"}, "several labels an image; take binary_cross_entropy or focal"),
        ("single", {"positive_weights": "balanced"}, "give `class_weights`"),
        ("single", {"class_weights": (1, 2, 3)}, "3 numbers for 4 classes"),
        ("both", {}, "unknown task `both`"),
    ],
)
def test_options_that_do_not_fit_the_task_are_refused(task, options, message):
    with pytest.raises(ConfigError, match=message):
        _loss(task, **options)


def test_balancing_needs_every_class_and_for_labels_both_sides():
    with pytest.raises(DataError, match="class 1 has 0 training images"):
        make_loss(LossOptions(class_weights="balanced"), task="single", counts_k=[3, 0], n_images=3)
    options = LossOptions(kind="focal", positive_weights="balanced")
    with pytest.raises(DataError, match="label 0 is on every training image"):
        make_loss(options, task="multi", counts_k=[3, 1], n_images=3)


def test_targets_and_logits_of_a_wrong_shape_are_refused():
    logits, targets = _single()
    with pytest.raises(DataError, match="class indices, int64"):
        _loss("single")(logits, targets.double())
    with pytest.raises(DataError, match="logits must have shape"):
        _loss("single")(logits[:, :3], targets)
    with pytest.raises(DataError, match="targets must be 0 or 1 of shape"):
        _loss("multi", kind="focal")(logits, targets)
