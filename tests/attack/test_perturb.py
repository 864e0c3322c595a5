"""Attacks on a network in training: its weights, flags and modes are not touched."""

import pytest
import torch
from torch.nn import functional

from attack_cases import conv, images_of, usual
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import APGD, FGSM, PGD, Square, UniformNoise
from shiftgauge.attack.perturb import perturb
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.input_scale import InputScale
from small_networks import ConvNet, left_as_it_was

SCALE = InputScale(mean=(0.5,) * 3, std=(0.25,) * 3)


def _logits(net):
    return lambda images: net(SCALE.of_pixels(images))


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=3), APGD(steps=3), Square(queries=3), UniformNoise()])
def test_network_in_training_is_left_as_it_is(attack):
    net = ConvNet(n_classes=5).eval()
    net.dropout.train()
    images, labels = images_of(6), torch.arange(6) % 5
    with left_as_it_was(net):
        changed = perturb(_logits(net), images, labels, attack, usual("linf"))
    assert all(p.requires_grad for p in net.parameters())
    assert not changed.requires_grad
    assert torch.equal(images, images_of(6))


def test_training_goes_on_after_an_attack():
    net = ConvNet(n_classes=5).train()
    images, labels = images_of(6), torch.arange(6) % 5
    before = functional.cross_entropy(_logits(net)(images), labels)
    changed = perturb(_logits(net), images, labels, PGD(steps=2), usual("linf"))
    loss = functional.cross_entropy(_logits(net)(changed), labels) + before
    loss.backward()
    assert all(p.grad is not None for p in net.parameters())


def test_images_are_those_of_the_driver():
    classifier = conv(mean=0.5, std=0.25)
    images, labels = images_of(6), torch.arange(6) % 5
    for attack in (FGSM(), PGD(steps=3)):
        for budget in (usual("l2"), Budget(epsilon=0.2, unit="input"), Budget.from_snr(30, unit="input")):
            driven = attack_images(classifier, images, labels, attack, budget, seed=5)
            changed = perturb(classifier.logits_with_grad, images, labels, attack, budget, scale=SCALE, seed=5)
            assert torch.allclose(driven.images, changed, atol=1e-6)


def test_each_image_of_a_batch_may_have_its_own_epsilon():
    """The published schedule of ε: position i of the second half of a batch has ε = i / 1000."""
    net, images = ConvNet(n_classes=5).eval(), images_of(8)
    epsilon = torch.arange(1, 9) / 1024
    changed = perturb(_logits(net), images, torch.zeros(8, dtype=torch.long), FGSM(), Budget(epsilon=epsilon))
    assert (changed - images).abs().flatten(1).amax(dim=1).tolist() == epsilon.tolist()


def test_seed_decides_the_starts():
    net, images, labels = ConvNet(n_classes=5).eval(), images_of(4), torch.arange(4)
    first, again, other = (
        perturb(_logits(net), images, labels, PGD(steps=1), usual("linf"), seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_layout_of_the_batch_is_kept():
    net, labels = ConvNet(n_classes=5).eval(), torch.arange(4)
    images = images_of(4).contiguous(memory_format=torch.channels_last)
    changed = perturb(_logits(net), images, labels, PGD(steps=2), usual("linf"))
    assert changed.is_contiguous(memory_format=torch.channels_last)


def test_what_does_not_fit_is_refused():
    net, images, labels = ConvNet(n_classes=5).eval(), images_of(4), torch.arange(4)
    with pytest.raises(ConfigError, match="`labels_n` must hold one number for each of 4 images, got 3"):
        perturb(_logits(net), images, labels[:3], FGSM(), usual("linf"))
    with pytest.raises(ConfigError, match="no input scale was given"):
        perturb(_logits(net), images, labels, FGSM(), Budget(epsilon=0.1, unit="input"))
    with pytest.raises(DataError, match="floats from 0 to 1"):
        perturb(_logits(net), (images * 64).long(), labels, FGSM(), usual("linf"))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.tensor([0, 1, 2, 7]), r"classes up to 7, the network gives logits \(4, 5\)"),
        (torch.tensor([0, 1, 2, -1]), "`labels_n` must be classes from 0 on, got -1"),
        (torch.zeros(4), r"tensor \(n,\) of int64, .* got torch.float32 \(4,\)"),
        ([0, 1, 2, 3], "tensor .* got list"),
    ],
)
def test_labels_that_are_no_classes_are_told(labels, said):
    net = ConvNet(n_classes=5).eval()
    for attack in (FGSM(), FGSM(loss="margin"), PGD(steps=1)):
        with pytest.raises(ConfigError, match=said):
            perturb(_logits(net), images_of(4), labels, attack, usual("linf"))


def test_images_that_are_not_finite_are_told():
    net, images = ConvNet(n_classes=5).eval(), images_of(4)
    images[1, 0, 0, 0] = torch.nan
    with pytest.raises(DataError, match="NaN or infinite"):
        perturb(_logits(net), images, torch.arange(4), FGSM(), usual("linf"))
