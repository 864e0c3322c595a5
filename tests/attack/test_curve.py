"""Accuracy over many budgets: one gradient, nested balls, intervals."""

import numpy as np
import pytest
import torch

from attack_cases import conv, images_of, labelled
from shiftgauge.attack.budget import Budget, budgets_at, budgets_at_snr
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import APGD, FGSM, PGD, GaussianNoise, Square, UniformNoise
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.proportion import wilson_interval

EPSILONS = [i / 128 for i in range(8)]


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=3), UniformNoise()], ids=lambda a: a.name)
def test_curve_is_what_each_budget_gives_alone(attack):
    classifier = conv()
    images, labels = labelled(classifier, 20)
    curve = budget_curve(classifier, images, labels, attack, budgets_at(EPSILONS), keep_images=True)
    for b, epsilon in enumerate(EPSILONS):
        alone = attack_images(classifier, images, labels, attack, Budget(epsilon=epsilon))
        assert torch.equal(curve.images[b], alone.images)
        assert curve.predicted[b].tolist() == alone.predicted.tolist()
        assert curve.accuracy[b] == alone.accuracy
        np.testing.assert_allclose(curve.image_snr_db[b], alone.snr_db)
        assert curve.set_snr_db[b] == pytest.approx(alone.set_snr_db)
    low, high = wilson_interval(curve.right.sum(axis=1), 20)
    assert (curve.low.tolist(), curve.high.tolist()) == (low.tolist(), high.tolist())


def test_one_gradient_serves_all_sizes_of_a_sign_step():
    classifier = conv()
    images, labels = labelled(classifier, 30)
    curve = budget_curve(classifier, images, labels, FGSM(), budgets_at(EPSILONS))
    assert (curve.gradients, curve.evaluations) == (30, 30 + 8 * 30)
    assert budget_curve(classifier, images, labels, UniformNoise(), budgets_at(EPSILONS)).gradients == 0
    assert curve.images is None


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=4), APGD(steps=6), Square(queries=10)], ids=lambda a: a.name)
def test_what_fools_in_a_small_ball_fools_in_a_large_one(attack):
    classifier = conv()
    images, labels = labelled(classifier, 40)
    labels[:4] = (labels[:4] + 1) % 5
    budgets = [budgets_at(EPSILONS)[i] for i in (3, 0, 7, 1, 5)]
    curve = budget_curve(classifier, images, labels, attack, budgets, success_only=True, keep_images=True)
    order = np.argsort(curve.epsilon[:, 0])
    right = curve.right[order]
    assert (right[1:] <= right[:-1]).all()
    assert not right[:, :4].any()
    assert 0 < right[-1].mean() < right[0].mean() == 0.9
    for b, budget in enumerate(budgets):
        away = (curve.images[b].double() - images.double()).abs().amax()
        assert float(away) <= budget.epsilon
    each = budget_curve(classifier, images, labels, attack, budgets)
    assert curve.gradients < each.gradients or not attack.needs_gradient or isinstance(attack, FGSM)
    if not isinstance(attack, FGSM):
        assert (curve.accuracy <= each.accuracy + 0.05).all()


def test_ratios_asked_for_are_those_of_noise_and_no_louder_for_attacks():
    classifier = conv(mean=0.5, std=0.25)
    images, labels = labelled(classifier, 15)
    asked = [np.inf, 40.0, 30.0, 20.0]
    for unit in ("pixel", "input"):
        noise = budget_curve(classifier, images, labels, GaussianNoise(), budgets_at_snr(asked, unit=unit, of="set"))
        np.testing.assert_allclose(noise.set_snr_db, asked, atol=1e-3)
        attack = budget_curve(classifier, images, labels, FGSM(), budgets_at_snr(asked, unit=unit))
        assert (attack.image_snr_db >= np.array(asked)[:, None] - 1e-9).all()
        assert attack.asked_snr_db.tolist() == asked
        assert attack.accuracy[0] == 1
    frame = noise.to_dataframe()
    assert list(frame) == ["epsilon", "asked_snr_db", "set_snr_db", "accuracy", "low", "high", "n"]


def test_targeted_curve_counts_images_that_are_still_right():
    classifier = conv()
    images, labels = labelled(classifier, 20)
    targets = (labels + 1) % 5
    curve = budget_curve(
        classifier, images, labels, PGD(steps=3), budgets_at([0.0, 0.05, 0.2]), targets=targets, success_only=True
    )
    reached = (curve.predicted == targets.numpy()).mean(axis=1)
    assert reached[0] == 0
    assert (np.diff(reached) >= 0).all()
    assert reached[-1] > 0


def test_intervals_rest_on_groups_where_they_are_given():
    classifier = conv()
    images, labels = labelled(classifier, 40)
    people = [str(i // 10) for i in range(40)]
    alone = budget_curve(classifier, images, labels, FGSM(), budgets_at([0.03]))
    grouped = budget_curve(classifier, images, labels, FGSM(), budgets_at([0.03]), groups=people, resamples=200)
    assert grouped.accuracy == alone.accuracy
    assert (grouped.low, grouped.high) != (alone.low, alone.high)


def test_budgets_that_do_not_make_a_curve_are_refused():
    classifier = conv()
    images = images_of(2)
    with pytest.raises(ConfigError, match="at least one budget"):
        budget_curve(classifier, images, None, FGSM(), [])
    with pytest.raises(ConfigError, match="must share norm"):
        budget_curve(classifier, images, None, FGSM(), [Budget(epsilon=0.1), Budget(epsilon=0.1, norm="l2")])
    crossing = [Budget(epsilon=[0.1, 0.4]), Budget(epsilon=[0.2, 0.2])]
    with pytest.raises(ConfigError, match="larger than another for all images or none"):
        budget_curve(classifier, images, None, FGSM(), crossing, success_only=True)
