"""The check of gradients passes every layer and loss, knows kinks, and finds a wrong gradient."""

import pytest
import torch

from engine_twins import channels_last, randomised
from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.gradcheck import CheckOptions, check_layer, check_loss, check_network
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy, FocalLoss
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import ConfigError, NumericalError

_FEW = CheckOptions(entries=25)
_LAYERS = {
    "Conv2d": Conv2d(6, 4, 3, padding=1),
    "Conv2d of few channels": Conv2d(2, 4, 3, padding=1),
    "Conv2d with a stride": Conv2d(6, 4, 3, stride=2),
    "Conv2d in groups": Conv2d(6, 4, 3, groups=2, padding=2),
    "Conv2d of single channels": Conv2d(6, 6, 3, groups=6),
    "ReLU": ReLU(),
    "LeakyReLU": LeakyReLU(0.1),
    "Sigmoid": Sigmoid(),
    "MaxPool2d": MaxPool2d(2),
    "MaxPool2d that overlaps": MaxPool2d(3, stride=2, padding=1),
    "AvgPool2d": AvgPool2d(3, stride=2, padding=1),
    "BatchNorm2d": BatchNorm2d(6),
    "Dropout": Dropout(0.4),
    "Residual": Residual(Sequential(Conv2d(6, 6, 3, padding=1), BatchNorm2d(6), ReLU()), Conv2d(6, 6, 1)),
    "Flatten": Sequential(Flatten(), Linear(6 * 6 * 5, 3), Sigmoid(), Linear(3, 2)),
}


def _maps(layer, seed=0):
    channels = getattr(layer, "in_channels", 6)
    return channels_last(torch.randn(3, channels, 6, 5, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", _LAYERS)
def test_every_layer_passes(name, training):
    layer = randomised(_LAYERS[name], 0)
    found = check_layer(layer, _maps(layer), training=training, options=_FEW)
    assert found.passed, found
    assert found.checked >= 25


@pytest.mark.parametrize("name", ["MaxPool2d", "MaxPool2d that overlaps", "ReLU", "LeakyReLU"])
def test_equal_values_and_zeros_are_kinks_whose_gradient_lies_between_both_slopes(name):
    x = _maps(None).round()
    found = check_layer(_LAYERS[name], x, options=_FEW)
    assert found.passed, found
    assert found.kinks > 0
    assert check_layer(_LAYERS[name], x.add(torch.rand(x.shape) / 10), options=_FEW).kinks == 0


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (BinaryCrossEntropyWithLogits(positive_weight=2.0), torch.tensor([[0.0, 1.0], [1.0, 0.3]])),
        (FocalLoss(gamma=2.0, positive_weight=3.0), torch.tensor([[0.0, 1.0], [1.0, 0.3]])),
        (CrossEntropy(class_weights=(1.0, 4.0)), torch.tensor([0, 1])),
        (BinaryCrossEntropy(), torch.tensor([[0.0, 1.0], [1.0, 0.3]])),
    ],
)
def test_every_loss_passes(loss, targets):
    outputs = torch.tensor([[0.2, 0.7], [0.4, 0.9]])
    assert check_loss(loss, outputs, targets).require().checked == 4


def test_the_study_s_network_with_its_loss_passes():
    network = Network(glass_layers(side=16), input_shape=(1, 16, 16), part_images=2)
    before = network.state()
    images = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0])
    found = check_network(network, images, targets, BinaryCrossEntropyWithLogits(), options=CheckOptions(entries=4))
    assert found.require().checked == 4 * 11 + 1
    assert all(torch.equal(value, before[name]) for name, value in network.state().items())


class WrongSlope(ReLU):
    def backward(self, grad, ws):
        return super().backward(grad, ws).mul_(1.001)


class WrongAtZero(ReLU):
    def backward(self, grad, ws):
        return torch.where(ws.kept["y"] == 0, -0.5, 1.0) * grad


class WrongBias(Linear):
    def backward(self, grad, ws):
        ws.gradient("bias").add_(0.01)
        return super().backward(grad, ws)


@pytest.mark.parametrize(
    ("layer", "x", "where"),
    [
        (WrongSlope(), torch.tensor([[1.0, -2.0]]), "x[0, 0]"),
        (WrongAtZero(), torch.tensor([[0.0, 2.0]]), "x[0, 0]"),
        (randomised(WrongBias(2, 2), 0), torch.tensor([[1.0, -2.0]]), "bias"),
    ],
)
def test_a_wrong_gradient_is_found_and_named(layer, x, where):
    found = check_layer(layer, x)
    assert not found.passed
    assert where in found.where
    with pytest.raises(NumericalError, match="relative to central differences"):
        found.require()


def test_a_gradient_that_is_not_a_number_does_not_pass():
    class Broken(ReLU):
        def backward(self, grad, ws):
            return grad * torch.nan

    assert not check_layer(Broken(), torch.ones(1, 2)).passed


def test_options_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="`step` must be above 0"):
        CheckOptions(step=0)
    with pytest.raises(ConfigError, match="`entries` must be a whole number"):
        CheckOptions(entries=0)
