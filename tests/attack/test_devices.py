"""On a graphics processor attacks go the way that they go on the CPU."""

import numpy as np
import pytest
import torch

from attack_cases import SHAPE, images_of
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import APGD, BIM, FGSM, PGD, GaussianNoise, MomentumFGSM, Square, UniformNoise
from shiftgauge.attack.perturb import perturb
from shiftgauge.models.device import full_precision
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from small_networks import ConvNet

EACH = (FGSM(), BIM(steps=3), PGD(steps=3, restarts=2), MomentumFGSM(steps=3), APGD(steps=5), Square(queries=40),
        UniformNoise(), GaussianNoise())  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("success_only", [False, True])
@pytest.mark.parametrize("attack", EACH, ids=lambda attack: attack.name)
def test_images_of_both_devices_are_one_but_for_rounding(attack, success_only):
    net, images = ConvNet(n_classes=5).eval(), images_of(12)
    prepared = Preprocessing(channels=SHAPE[0], height=SHAPE[1], width=SHAPE[2])
    budget, labels = Budget(epsilon=0.3, norm="l2"), [0, 1, 2, 3] * 3
    on = [
        attack_images(
            TorchClassifier(net, preprocessing=prepared, device=torch.device(name)), images, labels, attack, budget,
            success_only=success_only,
        )
        for name in ("cpu", "cuda")
    ]  # fmt: skip
    assert (on[0].images - on[1].images).abs().max() < 1e-3
    assert (on[1].distance <= on[1].epsilon).all()
    assert np.array_equal(on[0].success, on[1].success)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_network_in_training_on_the_device_is_attacked_there():
    net, images, labels = ConvNet(n_classes=5).eval().cuda(), images_of(6).cuda(), torch.arange(6).cuda() % 5
    with full_precision():
        found = perturb(net, images, labels, PGD(steps=3), Budget(epsilon=0.1))
    assert found.device == images.device
    assert float((found - images).abs().max()) <= 0.1 + 1e-6
