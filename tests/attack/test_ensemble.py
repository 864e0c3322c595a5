"""Attacks in turn: the worst case over all of them."""

import numpy as np
import pytest
import torch

from attack_cases import conv, images_of, labelled, usual
from fakes import MeanClassifier
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.ensemble import attack_in_turn
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import APGD, FGSM, PGD, Square, UniformNoise
from shiftgauge.errors import ConfigError, ModelError
from small_networks import ConvNet, wrap


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


def test_what_one_cannot_do_is_told_before_another_has_worked():
    queries = []

    class Counted(MeanClassifier):
        def outputs(self, images_nchw, execution=None):
            queries.append(len(images_nchw))
            return super().outputs(images_nchw, execution)

    images = torch.full((2, 1, 8, 8), 0.5)
    with pytest.raises(ModelError, match="`pgd` needs gradients"):
        attack_in_turn(Counted(), images, [0, 1], [Square(queries=50), PGD()], usual("linf"))
    assert not queries
    classifier = conv()
    images, labels = labelled(classifier, 2)
    for last, said in (
        (APGD(loss="dlr", target_classes=9), "below the number of classes, 5, got 9"),
        (APGD(target_classes=2), "leave it 0 where `targets` are given"),
    ):
        told = []
        with pytest.raises(ConfigError, match=said):
            attack_in_turn(
                classifier, images, labels, [FGSM(), last], usual("linf"), targets=0 if "leave" in said else None,
                progress=lambda *at, told=told: told.append(at),
            )  # fmt: skip
        assert not told


def test_a_loss_that_compares_more_classes_than_there_are_is_refused_at_once():
    two = wrap(ConvNet(n_classes=2))
    for attack in (FGSM(loss="dlr"), PGD(loss="dlr"), APGD(loss="dlr")):
        with pytest.raises(ConfigError, match="`dlr` compares 3 classes, the model has 2; use `ce`"):
            attack_in_turn(two, images_of(2), [0, 1], [FGSM(), attack], usual("linf"))
