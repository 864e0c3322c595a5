"""What cannot be attacked is told: numbers that are none, classifiers without gradients, images that are no pixels."""

import pytest
import torch
from torch import nn

from attack_cases import SHAPE, conv, images_of, usual
from fakes import MeanClassifier
from shiftgauge.attack.budget import Budget, budgets_at
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import FGSM, PGD, GaussianNoise, Square, UniformNoise
from shiftgauge.attack.transfer import transfer_matrix
from shiftgauge.errors import DataError, ModelError, NumericalError
from small_networks import ConvNet, wrap


class _Root(nn.Module):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def forward(self, x):
        flat = x.flatten(1)[:, :3]
        return torch.sqrt(flat * 0) if self.where == "gradient" else torch.log(flat * 0 - 1)


def test_nan_gradients_and_nan_logits_are_named():
    preprocessed = wrap(_Root("gradient"))
    with pytest.raises(NumericalError, match=r"gradient of the loss `ce` is NaN or infinite for 4 of 4 images"):
        attack_images(preprocessed, images_of(4), [0] * 4, FGSM(), usual("linf"))
    with pytest.raises(NumericalError, match="the model gives NaN or infinite logits for 4 of 4"):
        attack_images(wrap(_Root("logits")), images_of(4), [0] * 4, Square(queries=2), usual("linf"))


class _Dark(nn.Module):
    """Gives NaN for bright images."""

    def __init__(self):
        super().__init__()
        self.net = ConvNet(n_classes=3)

    def forward(self, x):
        logits = self.net(x)
        return torch.where((x.mean(dim=(1, 2, 3)) > 0.3)[:, None], torch.nan * logits, logits)


def test_nan_outputs_are_never_taken_for_a_class():
    classifier, images = wrap(_Dark()), 0.2 * images_of(4)
    images[2] = 0.9
    said = "gives NaN for 1 of 4 images"
    for attack in (UniformNoise(), GaussianNoise()):
        with pytest.raises(NumericalError, match=said):
            attack_images(classifier, images, [0] * 4, attack, Budget(epsilon=0.01, norm="l2"))
        with pytest.raises(NumericalError, match=said):
            budget_curve(classifier, images, [0] * 4, attack, budgets_at([0.0, 0.01], norm="l2"))
    with pytest.raises(NumericalError, match=said):
        attack_images(classifier, images, None, UniformNoise(), Budget(epsilon=0.01))
    good = {"good": wrap(ConvNet(n_classes=3)), "dark": classifier}
    with pytest.raises(NumericalError, match=f"target `dark` {said}"):
        transfer_matrix(good, images, [0] * 4, {"fgsm": FGSM()}, budgets_at([0.01]), sources=["good"])


def test_classifier_without_gradients_is_told_what_to_use():
    images = torch.full((2, 1, 8, 8), 0.5)
    with pytest.raises(ModelError, match=r"attack `pgd` needs gradients, which a MeanClassifier does not give; use"):
        attack_images(MeanClassifier(), images, [0, 1], PGD(), Budget(epsilon=0.1))
    assert attack_images(MeanClassifier(), images, [0, 1], UniformNoise(), Budget(epsilon=0.1)).gradients == 0


def test_images_that_are_no_pixels_are_refused():
    classifier = conv()
    whole = torch.randint(0, 255, (2, *SHAPE))
    for images, message in (
        (whole.to(torch.uint8), "tensor of floats from 0 to 1, got torch.uint8; divide whole numbers by 255"),
        (whole.float(), "whole numbers up to .*divide by 255"),
        (254.3 * images_of(2), "values up to .*divide by 255"),
        (whole.numpy(), "tensor of floats"),
        (torch.rand(2, 3, 9, 8), r"shape \(N, 3, 8, 8\)"),
        (torch.full((2, *SHAPE), torch.nan), "NaN or infinite"),
        (torch.rand(0, *SHAPE), "no image was given"),
    ):
        with pytest.raises(DataError, match=message):
            attack_images(classifier, images, None, FGSM(), Budget(epsilon=0.1))
    with pytest.raises(DataError, match="outside `bounds`"):
        attack_images(classifier, images_of(2) + 0.5, None, FGSM(), Budget(epsilon=0.1, bounds=(0, 1)))
