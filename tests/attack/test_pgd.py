"""Iterated attacks against slow plain versions of the published algorithms."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from attack_cases import conv, labelled, problem_of, usual
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.craft import craft
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.pgd import BIM, PGD, MomentumFGSM, random_start
from shiftgauge.errors import ConfigError


def _slope(classifier, image, label, target=None):
    pixels = image[None].clone().requires_grad_()
    logits = classifier.logits_with_grad(pixels)
    sign, place = (1, label) if target is None else (-1, target)
    loss = sign * functional.cross_entropy(logits, place[None])
    return torch.autograd.grad(loss, pixels)[0][0]


def _project(image, clean, epsilon, norm, bounds):
    away = image - clean
    if norm == "linf":
        away = away.clamp(-epsilon, epsilon)
    elif float(away.norm()) > epsilon:
        away = away * (epsilon / away.norm())
    image = clean + away
    return image if bounds is None else image.clamp(*bounds)


def _unit(gradient, norm):
    return gradient.sign() if norm == "linf" else gradient / gradient.norm()


def _plain_steps(classifier, start, clean, label, epsilon, norm, bounds, alpha, steps, decay=None, target=None):
    """One image: gradient, step, projection; with momentum where `decay` is given."""
    image, momentum = start, torch.zeros_like(clean)
    for _ in range(steps):
        gradient = _slope(classifier, image, label, target)
        if decay is not None:
            momentum = decay * momentum + gradient / gradient.abs().sum()
            gradient = momentum
        image = _project(image + alpha * _unit(gradient, norm), clean, epsilon, norm, bounds)
    return image


@pytest.mark.parametrize("bounds", [None, (0, 1)])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(
    ("attack", "share", "decay"),
    [(PGD(steps=5), 0.25, None), (BIM(steps=4), 0.25, None), (MomentumFGSM(steps=5, decay=0.9), 0.2, 0.9)],
)
def test_images_are_those_of_the_plain_algorithm(attack, share, decay, norm, bounds):
    classifier = conv()
    images, labels = labelled(classifier, 6)
    budget = usual(norm, bounds)
    problem = problem_of(classifier, images, labels, budget)
    starts = random_start(problem, 0) if isinstance(attack, PGD) else images
    found = craft(problem, attack).images
    for i in range(6):
        options = (budget.epsilon, norm, bounds, share * budget.epsilon, attack.steps, decay)
        expected = _plain_steps(classifier, starts[i], images[i], labels[i], *options)
        assert torch.allclose(found[i], expected, atol=2e-6)


def test_targeted_steps_go_towards_the_target():
    classifier = conv()
    images, labels = labelled(classifier, 6)
    targets = (labels + 1) % 5
    found = craft(problem_of(classifier, images, labels, usual("linf"), targets=targets), BIM(steps=4)).images
    for i in range(6):
        options = (0.05, "linf", None, 0.0125, 4, None, targets[i])
        assert torch.allclose(found[i], _plain_steps(classifier, images[i], images[i], labels[i], *options), atol=2e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_starts_are_uniform_in_the_ball(norm):
    classifier = conv(shape=(1, 4, 4))
    images, labels = labelled(classifier, 400)
    ball = problem_of(classifier, images, labels, usual(norm)).ball
    start = random_start(problem_of(classifier, images, labels, usual(norm)), 0)
    away = (start - images).double() / ball.epsilon[0]
    if norm == "linf":
        assert float(away.std()) == pytest.approx(1 / np.sqrt(3), rel=0.02)
        share = (away < 0.5).double().mean()
        assert float(share) == pytest.approx(0.75, abs=0.02)
    else:
        radius = away.flatten(1).norm(dim=1)
        assert float((radius**16).mean()) == pytest.approx(0.5, abs=0.06)  # r^d is uniform in the ball
        assert float(away.mean()) == pytest.approx(0, abs=0.01)


def test_restarts_begin_elsewhere_and_the_best_is_kept():
    classifier = conv()
    images, labels = labelled(classifier, 24)
    problem = problem_of(classifier, images, labels, usual("linf"))
    assert not torch.equal(random_start(problem, 0), random_start(problem, 1))
    one = attack_images(classifier, images, labels, PGD(steps=4), usual("linf"))
    three = attack_images(classifier, images, labels, PGD(steps=4, restarts=3), usual("linf"))
    assert set(np.flatnonzero(one.success)) <= set(np.flatnonzero(three.success))
    loss = [functional.cross_entropy(classifier.outputs(r.images), labels, reduction="none") for r in (one, three)]
    both = torch.from_numpy(one.success == three.success)
    assert bool((loss[1] >= loss[0] - 1e-5)[both].all())
    assert three.gradients == 3 * one.gradients


def test_what_an_image_becomes_does_not_depend_on_the_others():
    classifier = conv()
    images, labels = labelled(classifier, 10)
    whole = attack_images(classifier, images, labels, PGD(steps=4, restarts=2), usual("linf"))
    part = attack_images(
        classifier, images[4:7], labels[4:7], PGD(steps=4, restarts=2), usual("linf"), streams=[4, 5, 6]
    )
    assert torch.allclose(part.images, whole.images[4:7], atol=2e-6)
    other = attack_images(classifier, images[4:7], labels[4:7], PGD(steps=4), usual("linf"))
    assert not torch.allclose(other.images, part.images, atol=1e-3)


def test_success_is_found_with_less_work_when_it_is_all_that_is_asked():
    classifier = conv()
    images, labels = labelled(classifier, 40)
    full = attack_images(classifier, images, labels, PGD(steps=8), usual("linf"))
    early = attack_images(classifier, images, labels, PGD(steps=8), usual("linf"), success_only=True)
    assert early.success.sum() >= full.success.sum() > 5
    assert early.gradients < full.gradients
    assert early.set_snr_db >= full.set_snr_db


def test_images_that_are_wrong_from_the_start_are_left_alone():
    classifier = conv()
    images, labels = labelled(classifier, 8)
    wrong = (labels + 1) % 5
    found = attack_images(classifier, images, wrong, PGD(steps=3, restarts=2), usual("linf"), success_only=True)
    assert torch.equal(found.images, images)
    assert (found.gradients, found.success.all(), found.set_snr_db) == (0, True, np.inf)
    assert not found.zero_gradient.any()


def test_options_outside_their_range_are_refused():
    for make, message in (
        (lambda: PGD(steps=0), "`steps`"),
        (lambda: PGD(relative_step=0), "`relative_step`"),
        (lambda: PGD(restarts=2, random_start=False), "all starts are the same"),
        (lambda: MomentumFGSM(decay=-1), "`decay`"),
        (lambda: BIM(loss="l1"), "unknown loss"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()
    assert Budget(epsilon=0.1).epsilon == 0.1
