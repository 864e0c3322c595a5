"""Attacks in turn: the worst case over all of them."""

import numpy as np
import pytest
import torch

from attack_cases import conv, labelled, usual
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.ensemble import attack_in_turn
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import APGD, FGSM, PGD, Square, UniformNoise
from shiftgauge.errors import ConfigError


def test_no_attack_alone_does_better_than_all_in_turn():
    classifier = conv()
    images, labels = labelled(classifier, 40)
    attacks = [FGSM(), APGD(steps=6, loss="dlr", target_classes=2), Square(queries=10)]
    budget = Budget(epsilon=0.025)
    found = attack_in_turn(classifier, images, labels, attacks, budget)
    alone = [attack_images(classifier, images, labels, a, budget, success_only=True) for a in attacks]
    assert set(np.flatnonzero(found.success)) >= set(np.flatnonzero(alone[0].success))
    assert found.accuracy <= min(a.accuracy for a in alone)
    assert 0 < found.accuracy < 1
    assert found.predicted.tolist() == classifier.outputs(found.images).argmax(dim=1).tolist()
    assert float((found.images.double() - images.double()).abs().max()) <= 0.025
    assert [a["name"] for a in found.attack["attacks"]] == ["fgsm", "apgd", "square"]


def test_later_attacks_see_only_what_is_left():
    classifier = conv()
    images, labels = labelled(classifier, 30)
    first = attack_images(classifier, images, labels, FGSM(), usual("linf"), success_only=True)
    found = attack_in_turn(classifier, images, labels, [FGSM(), PGD(steps=2)], usual("linf"))
    assert found.gradients <= first.gradients + 2 * int((~first.success).sum())
    assert torch.equal(found.images[first.success], first.images[first.success])
    told = []
    attack_in_turn(classifier, images, labels, [FGSM()], usual("linf"), progress=lambda *at: told.append(at))
    assert told == [(1, 1)]


def test_budget_of_an_image_does_not_depend_on_which_are_left():
    classifier = conv()
    images, labels = labelled(classifier, 30)
    budget = Budget.from_snr(28, of="set")
    found = attack_in_turn(classifier, images, labels, [FGSM(), PGD(steps=4, relative_step=0.5)], budget)
    assert np.unique(found.epsilon).size == 1
    assert found.distance.max() <= found.epsilon[0]


def test_turns_need_attacks():
    classifier = conv()
    images, labels = labelled(classifier, 2)
    for attacks in ([], [UniformNoise()]):
        with pytest.raises(ConfigError, match="at least one attack and no noise"):
            attack_in_turn(classifier, images, labels, attacks, usual("linf"))
