"""Agreement with torchattacks and foolbox on the same network; skipped where they are not installed."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from attack_cases import conv, labelled
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import APGD, FGSM, PGD, MomentumFGSM, Square, UniformNoise
from shiftgauge.estimate.proportion import paired_difference
from shiftgauge.types import Execution

STEP, RANGE = 4 / 64, (0, 1)
N = 200


@pytest.fixture(scope="module")
def torchattacks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchattacks", reason="torchattacks is not installed")


@pytest.fixture(scope="module")
def foolbox():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("foolbox", reason="foolbox is not installed")


class Pixels(nn.Module):
    """The network behind its normalisation, as other packages take it."""

    def __init__(self, classifier):
        super().__init__()
        self.net, self.scale = classifier.module, classifier.preprocessing

    def forward(self, images):
        return self.net(self.scale.normalise(images))


def _case(n=N):
    classifier = conv()
    images, labels = labelled(classifier, n)
    return classifier, Pixels(classifier).eval(), images, labels


def _fooled(classifier, images, labels):
    return (classifier.outputs(images).argmax(dim=1) != labels).numpy()


def _agree(classifier, labels, ours, theirs):
    """Success of the two differs by no more than chance, image by image."""
    found = paired_difference(ours, theirs, confidence_level=0.99)
    assert found.low <= 0 <= found.high, found
    assert 0.05 < ours.mean() < 0.999


def test_sign_step_is_torchattacks_bit_for_bit(torchattacks):
    classifier, net, images, labels = _case()
    for execution in (None, Execution(batch_size=64)):
        ours = attack_images(
            classifier, images, labels, FGSM(), Budget(epsilon=STEP, bounds=RANGE), execution=execution
        )
        assert torch.equal(ours.images, torchattacks.FGSM(net, eps=STEP)(images, labels))
    away = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=8 / 255, bounds=RANGE))
    other = torchattacks.FGSM(net, eps=8 / 255)(images, labels)
    assert torch.equal((away.images - images).sign(), (other - images).sign())
    assert float((away.images - other).abs().max()) <= 2**-23


def test_sign_step_is_foolbox_bit_for_bit(foolbox):
    classifier, net, images, labels = _case()
    model = foolbox.PyTorchModel(net, bounds=RANGE)
    ours = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=STEP, bounds=RANGE))
    theirs, _, _ = foolbox.attacks.LinfFastGradientAttack()(model, images, labels, epsilons=STEP)
    assert torch.equal(ours.images, theirs)
    ours = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=0.5, norm="l2", bounds=RANGE))
    theirs, _, _ = foolbox.attacks.L2FastGradientAttack()(model, images, labels, epsilons=0.5)
    assert torch.allclose(ours.images, theirs, atol=1e-6)


def test_momentum_goes_the_way_of_torchattacks(torchattacks):
    classifier, net, images, labels = _case(60)
    attack = MomentumFGSM(steps=5, relative_step=0.25, decay=0.9)
    ours = attack_images(classifier, images, labels, attack, Budget(epsilon=STEP, bounds=RANGE))
    theirs = torchattacks.MIFGSM(net, eps=STEP, alpha=STEP / 4, steps=5, decay=0.9)(images, labels)
    assert float((ours.images - theirs).abs().mean()) < 1e-6
    assert (ours.success == _fooled(classifier, theirs, labels)).all()


def test_descent_without_random_start_goes_the_way_of_both(torchattacks, foolbox):
    classifier, net, images, labels = _case(60)
    budget = Budget(epsilon=STEP, bounds=RANGE)
    ours = attack_images(classifier, images, labels, PGD(steps=6, random_start=False), budget)
    first = torchattacks.PGD(net, eps=STEP, alpha=STEP / 4, steps=6, random_start=False)(images, labels)
    descent = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=6, random_start=False)
    second, _, _ = descent(foolbox.PyTorchModel(net, bounds=RANGE), images, labels, epsilons=STEP)
    for theirs in (first, second):
        assert float((ours.images - theirs).abs().mean()) < 1e-6
        assert (ours.success == _fooled(classifier, theirs, labels)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_descent_succeeds_as_often_as_theirs(torchattacks, foolbox, norm):
    classifier, net, images, labels = _case()
    epsilon = 0.03 if norm == "linf" else 0.3
    ours = attack_images(classifier, images, labels, PGD(), Budget(epsilon=epsilon, norm=norm, bounds=RANGE)).success
    torch.manual_seed(0)
    if norm == "linf":
        attack = torchattacks.PGD(net, eps=epsilon, alpha=epsilon / 4, steps=10)
        descent = foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=10)
    else:
        attack = torchattacks.PGDL2(net, eps=epsilon, alpha=epsilon / 4, steps=10)
        descent = foolbox.attacks.L2PGD(rel_stepsize=0.25, steps=10)
    _agree(classifier, labels, ours, _fooled(classifier, attack(images, labels), labels))
    theirs, _, _ = descent(foolbox.PyTorchModel(net, bounds=RANGE), images, labels, epsilons=epsilon)
    _agree(classifier, labels, ours, _fooled(classifier, theirs, labels))


@pytest.mark.parametrize(("norm", "name"), [("linf", "Linf"), ("l2", "L2")])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_auto_pgd_succeeds_as_often_as_theirs(torchattacks, norm, name, loss):
    classifier, net, images, labels = _case()
    epsilon = 0.02 if norm == "linf" else 0.2
    budget = Budget(epsilon=epsilon, norm=norm, bounds=RANGE)
    ours = attack_images(classifier, images, labels, APGD(steps=20, loss=loss), budget, success_only=True)
    attack = torchattacks.APGD(net, norm=name, eps=epsilon, steps=20, loss=loss)
    _agree(classifier, labels, ours.success, _fooled(classifier, attack(images, labels), labels))


def test_auto_pgd_towards_classes_succeeds_as_often_as_theirs(torchattacks):
    classifier, net, images, labels = _case()
    budget = Budget(epsilon=0.015, bounds=RANGE)
    towards = APGD(steps=10, loss="dlr", target_classes=4)
    ours = attack_images(classifier, images, labels, towards, budget, success_only=True)
    attack = torchattacks.APGDT(net, norm="Linf", eps=0.015, steps=10, n_classes=5)
    _agree(classifier, labels, ours.success, _fooled(classifier, attack(images, labels), labels))


@pytest.mark.parametrize(("norm", "name"), [("linf", "Linf"), ("l2", "L2")])
def test_squares_succeed_as_often_as_theirs(torchattacks, norm, name):
    classifier, net, images, labels = _case()
    epsilon = 0.03 if norm == "linf" else 0.4
    budget = Budget(epsilon=epsilon, norm=norm, bounds=RANGE)
    ours = attack_images(classifier, images, labels, Square(queries=60), budget)
    attack = torchattacks.Square(net, norm=name, eps=epsilon, n_queries=60, p_init=0.8)
    theirs = _fooled(classifier, attack(images, labels), labels)
    found = paired_difference(ours.success, theirs, confidence_level=0.99)
    assert found.high >= -0.02  # theirs moves all images of a batch alike and never reaches two borders
    assert abs(found.difference) < 0.12


def test_noise_is_as_loud_as_foolbox(foolbox):
    classifier, net, images, labels = _case()
    model = foolbox.PyTorchModel(net, bounds=RANGE)
    for norm, attack in (
        ("linf", foolbox.attacks.LinfAdditiveUniformNoiseAttack()),
        ("l2", foolbox.attacks.L2AdditiveUniformNoiseAttack()),
    ):
        ours = attack_images(classifier, images, labels, UniformNoise(), Budget(epsilon=0.1, norm=norm, bounds=RANGE))
        _, theirs, _ = attack(model, images, labels, epsilons=0.1)
        spread = [float((x - images).std()) for x in (ours.images, theirs)]
        assert spread[0] == pytest.approx(spread[1], rel=0.02)
        assert np.isfinite(ours.snr_db).all()
