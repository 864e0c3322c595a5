"""Auto-PGD against a slow plain version of the published algorithm, one image at a time."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from attack_cases import conv, labelled, problem_of, usual
from shiftgauge.attack.apgd import APGD
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.craft import craft
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.pgd import PGD
from shiftgauge.attack.steps import run_iterated
from shiftgauge.errors import ConfigError


def _loss(name, z, y, t):
    """Croce and Hein's losses, of one image; t is the class led to, or None."""
    if name == "ce":
        return functional.cross_entropy(z[None], y[None])
    order = z.sort(descending=True).values
    if t is not None:
        return -(z[y] - z[t]) / (order[0] - (order[2] + order[3]) / 2 + 1e-12)
    other = torch.cat([z[:y], z[y + 1 :]]).max()
    return -(z[y] - other) / (order[0] - order[2] + 1e-12)


def _look(classifier, image, y, t, name):
    pixels = image[None].clone().requires_grad_()
    z = classifier.logits_with_grad(pixels)[0]
    value = _loss(name, z, y, t)
    (slope,) = torch.autograd.grad(value, pixels)
    return float(value.detach()), slope[0], int(z.argmax()) != int(y)


def _put_back(image, clean, epsilon, norm, bounds):
    away = image - clean
    if norm == "linf":
        away = away.clamp(-epsilon, epsilon)
    elif float(away.norm()) > epsilon:
        away = away / away.norm() * epsilon
    return clean + away if bounds is None else (clean + away).clamp(*bounds)


def _plain_apgd(classifier, start, clean, y, t, name, epsilon, norm, bounds, steps, rho=0.75):
    """Algorithm 1 with the checkpoints of the authors: the image it gives, its loss, the steps that halved."""
    here, slope, fools = _look(classifier, start, y, t, name)
    x = before = start
    adversarial = start if fools else None
    best, best_loss, best_slope = x, here, slope
    eta, last_best, halved_last, halvings = 2 * epsilon, here, True, []
    period, since, rises, previous = max(int(0.22 * steps), 1), 0, 0, here
    for k in range(steps):
        alpha = 0.75 if k else 1.0
        direction = slope.sign() if norm == "linf" else slope / (slope.norm() + 1e-12)
        z = _put_back(x + eta * direction, clean, epsilon, norm, bounds)
        ahead = _put_back(x + alpha * (z - x) + (1 - alpha) * (x - before), clean, epsilon, norm, bounds)
        before, x = x, ahead
        here, slope, fools = _look(classifier, x, y, t, name)
        adversarial = x if fools else adversarial
        rises, previous, since = rises + (here > previous), here, since + 1
        if here > best_loss:
            best, best_loss, best_slope = x, here, slope
        if since == period:
            too_few = rises <= rho * period
            stuck = not halved_last and last_best >= best_loss
            halved_last, last_best = too_few or stuck, best_loss
            if halved_last:
                eta, x, slope = eta / 2, best, best_slope
                halvings.append(k + 1)
            period, since, rises = max(period - max(int(0.03 * steps), 1), int(0.06 * steps), 1), 0, 0
    return (best if adversarial is None else adversarial), best_loss, halvings


@pytest.mark.parametrize("bounds", [None, (0, 1)])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("name", "target_classes"), [("ce", 0), ("dlr", 0), ("dlr", 1)])
def test_images_are_those_of_the_published_algorithm(name, target_classes, norm, bounds):
    classifier = conv()
    images, labels = labelled(classifier, 4)
    budget = usual(norm, bounds)
    attack = APGD(steps=34, loss=name, target_classes=target_classes)
    problem = problem_of(classifier, images, labels, budget)
    starts = attack.init(problem, 0).images
    state = run_iterated(attack, problem)
    order = classifier.outputs(images).argsort(dim=1, descending=True)
    ever_halved = 0
    for i in range(4):
        t = order[i, 1] if target_classes else None
        image, loss, halvings = _plain_apgd(
            classifier, starts[i], images[i], labels[i], t, name, budget.epsilon, norm, bounds, attack.steps
        )
        ever_halved += len(halvings)
        assert float(state.loss[i]) == pytest.approx(loss, rel=2e-3, abs=2e-4)
        assert float((state.found[i] - image).abs().mean()) < 1e-3 * budget.epsilon
    assert ever_halved > 2


def test_checkpoints_of_100_steps_are_those_of_the_paper():
    share, ends, last = [0.0, 0.22], [], 1.0
    while share[-1] < last:
        ends.append(int(np.ceil(round(100 * share[-1], 9))))
        share.append(share[-1] + max(share[-1] - share[-2] - 0.03, 0.06))
    assert APGD(steps=100).checkpoints == tuple(ends)
    assert APGD(steps=1).checkpoints == (1,)
    assert APGD(steps=20).checkpoints == (4, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_starts_lie_on_the_border(norm):
    classifier = conv()
    images, labels = labelled(classifier, 5)
    problem = problem_of(classifier, images, labels, usual(norm))
    start = APGD().init(problem, 0).images
    np.testing.assert_allclose(problem.ball.distance(start), problem.ball.epsilon, rtol=1e-5)


def test_each_of_the_classes_after_the_label_is_led_to():
    classifier = conv()
    images, labels = labelled(classifier, 6)
    problem = problem_of(classifier, images, labels, usual("linf"))
    attack = APGD(steps=2, loss="dlr", target_classes=3, restarts=2)
    order = classifier.outputs(images).argsort(dim=1, descending=True)
    for run in range(attack.runs):
        assert torch.equal(attack.init(problem, run).aim, order[:, 1 + run // 2])
    wrong = problem_of(classifier, images, (labels + 1) % 5, usual("linf"))
    assert not (attack.init(wrong, 0).aim == wrong.labels).any()


def test_no_plain_attack_finds_more_within_the_same_steps():
    classifier = conv()
    images, labels = labelled(classifier, 60)
    budget = Budget(epsilon=0.03)
    plain = attack_images(classifier, images, labels, PGD(steps=30, relative_step=0.1), budget, success_only=True)
    auto = attack_images(classifier, images, labels, APGD(steps=30), budget, success_only=True)
    towards = APGD(steps=30, loss="dlr", target_classes=3)
    last = attack_images(classifier, images, labels, towards, budget, success_only=True)
    assert 0 < plain.success.mean() < 1
    assert auto.success.mean() >= plain.success.mean() - 0.02
    assert last.success.mean() >= auto.success.mean() - 0.02


def test_image_that_never_fools_is_the_one_of_the_largest_loss():
    classifier = conv()
    images, labels = labelled(classifier, 6)
    problem = problem_of(classifier, images, labels, Budget(epsilon=0.002))
    state = run_iterated(APGD(steps=12), problem)
    open_ = ~state.fooled
    assert open_.sum() >= 3
    loss = functional.cross_entropy(classifier.outputs(state.found), labels, reduction="none")
    assert torch.allclose(loss[open_], state.loss[open_], rtol=1e-3, atol=1e-6)
    assert torch.equal(craft(problem, APGD(steps=12)).images, state.found)


def test_options_that_do_not_go_together_are_refused():
    classifier = conv(n_classes=4)
    images, labels = labelled(classifier, 3)
    with pytest.raises(ConfigError, match=r"`target_classes` must be below the number of classes, 4, got 9"):
        attack_images(classifier, images, labels, APGD(loss="dlr", target_classes=9), usual("linf"))
    with pytest.raises(ConfigError, match="chooses the classes itself"):
        attack_images(classifier, images, labels, APGD(target_classes=2), usual("linf"), targets=0)
    for wrong in ({"rho": 0}, {"rho": 1.5}, {"steps": 0}, {"target_classes": -1}, {"loss": "mse"}):
        with pytest.raises(ConfigError):
            APGD(**wrong)
