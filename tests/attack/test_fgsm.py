"""The fast gradient sign method against the published formula."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from attack_cases import conv, images_of, labelled, problem_of
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.craft import craft
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.images import attack_images
from shiftgauge.errors import ConfigError
from shiftgauge.types import Execution
from small_networks import linear, wrap

STEP = 4 / 64


def _gradient(classifier, images, labels, sign=1):
    """Written out: forward with the network's own layers, torch's cross-entropy."""
    pixels = images.clone().requires_grad_()
    mean, std = (
        torch.tensor(v).view(1, -1, 1, 1) for v in (classifier.preprocessing.mean, classifier.preprocessing.std)
    )
    loss = sign * functional.cross_entropy(classifier.module((pixels - mean) / std), labels, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]


def test_images_are_those_of_the_published_formula_bit_for_bit():
    classifier = conv()
    images, labels = labelled(classifier, 12)
    expected = images + STEP * _gradient(classifier, images, labels).sign()
    for execution in (None, Execution(batch_size=4)):
        found = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=STEP), execution=execution)
        assert torch.equal(found.images, expected)
        assert found.distance.tolist() == [STEP] * 12


def test_targeted_step_goes_down_the_loss_of_the_target():
    classifier = conv()
    images, labels = labelled(classifier, 12)
    targets = (labels + 1) % 5
    found = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=STEP), targets=targets)
    expected = images + STEP * _gradient(classifier, images, targets, sign=-1).sign()
    assert torch.equal(found.images, expected)
    assert found.success.tolist() == (found.predicted == targets.numpy()).tolist()


def test_l2_step_is_the_gradient_over_its_length():
    classifier = conv()
    images, labels = labelled(classifier, 6)
    found = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=0.5, norm="l2"))
    gradient = _gradient(classifier, images, labels)
    expected = images + 0.5 * gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    assert torch.allclose(found.images, expected, atol=1e-6)
    np.testing.assert_allclose(found.distance, 0.5, rtol=1e-6)


def test_ratio_of_a_sign_step_is_rms_over_epsilon_where_no_derivative_is_zero():
    """In the network's own scale, as published."""
    classifier = conv(mean=0.5, std=0.25)
    images, labels = labelled(classifier, 20)
    seen = (images.double() - 0.5) / 0.25
    rms = float((seen**2).mean().sqrt())
    found = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=0.01, unit="input"))
    assert _gradient(classifier, images, labels).count_nonzero() == images.numel()
    assert found.set_snr_db == pytest.approx(20 * np.log10(rms / 0.01), abs=1e-3)
    assert float(found.distance.max()) == pytest.approx(0.01, rel=1e-6)


def test_pixels_without_a_derivative_stay_and_make_the_step_quieter():
    net = linear()
    with torch.no_grad():
        net[1].weight[:, ::2] = 0
    classifier = wrap(net)
    images, labels = labelled(classifier, 4)
    found = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=STEP))
    still = (found.images == images).flatten(1)
    assert still[:, ::2].all()
    assert not still[:, 1::2].any()
    full = attack_images(wrap(linear()), images, labels, FGSM(), Budget(epsilon=STEP))
    np.testing.assert_allclose(found.snr_db, full.snr_db + 10 * np.log10(2))


def test_logits_are_differentiated_and_not_the_softmax_of_a_softmax():
    """The published code passed probabilities where logits were expected; its signs differ."""
    classifier = conv()
    images, labels = labelled(classifier, 30)
    pixels = images.clone().requires_grad_()
    twice = functional.cross_entropy(classifier.logits_with_grad(pixels).mul(5).softmax(dim=1), labels, reduction="sum")
    (published,) = torch.autograd.grad(twice, pixels)
    ours = _gradient(classifier, images, labels)
    assert float((published.sign() != ours.sign()).float().mean()) > 0.001
    crafted = craft(problem_of(classifier, images, labels, Budget(epsilon=STEP)), FGSM())
    assert torch.equal((crafted.images - images).sign(), ours.sign())


def test_each_image_may_have_its_own_epsilon():
    classifier = conv()
    images, labels = labelled(classifier, 4)
    epsilon = torch.tensor([0, 1, 2, 3]) / 64
    found = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=epsilon))
    assert found.distance.tolist() == epsilon.tolist()
    for i in range(4):
        alone = attack_images(classifier, images[i : i + 1], labels[i : i + 1], FGSM(), Budget(epsilon=i / 64))
        assert torch.equal(alone.images[0], found.images[i])


def test_unknown_loss_is_refused():
    with pytest.raises(ConfigError, match="unknown loss"):
        FGSM(loss="softmax")
    classifier = conv(n_classes=2)
    with pytest.raises(ConfigError, match="compares 3 classes"):
        attack_images(classifier, images_of(2), [0, 1], FGSM(loss="dlr"), Budget(epsilon=0.1))
