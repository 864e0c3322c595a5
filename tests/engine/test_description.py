"""Layers as plain values and back."""

import json

import pytest

from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.description import KINDS, describe, layer_of
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.layer import Layer, named_parameters
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import ConfigError

EVERY = Sequential(
    Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=False),
    BatchNorm2d(4, epsilon=1e-3, momentum=0.2),
    LeakyReLU(0.2),
    MaxPool2d(3, stride=2, padding=1),
    Residual(Sequential(Conv2d(4, 4, 1), ReLU()), Conv2d(4, 4, 1)),
    AvgPool2d(2),
    Dropout(0.3),
    Flatten(),
    Linear(4, 1, bias=False),
    Sigmoid(),
)


def test_a_description_gives_the_same_layers_again():
    again = layer_of(json.loads(json.dumps(describe(EVERY))))
    assert describe(again) == describe(EVERY)
    assert again.output_shape((2, 8, 8)) == EVERY.output_shape((2, 8, 8)) == (1,)
    shapes = [{k: v.shape for k, v in named_parameters(layer).items()} for layer in (again, EVERY)]
    assert shapes[0] == shapes[1]


def test_every_kind_is_in_the_example():
    assert {type(layer).__name__ for layer in EVERY.layers} | {"Sequential", "ReLU"} == set(KINDS)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"kind": "Conv3d"}, "unknown layer `Conv3d`; did you mean `Conv2d`"),
        ({"kind": "Linear", "in_features": 2}, "the layer `Linear` cannot be made of"),
        ({"kind": "ReLU", "slope": 1}, "unknown option of the layer ReLU `slope`"),
        ({"kind": "MaxPool2d", "kernelsize": 2}, "did you mean `kernel_size`"),
        ({"kind": "Dropout", "probability": 2}, "probability"),
        ({"kind": "Sequential"}, "described by layers"),
        ({"kind": "Sequential", "layers": "ReLU"}, "must be a list of layers"),
        ({"kind": "Residual", "body": {"kind": "ReLU"}}, "body and shortcut"),
        ({"layers": []}, "with its `kind`"),
        ("ReLU", "with its `kind`"),
    ],
)
def test_what_describes_no_layer_is_refused(description, words):
    with pytest.raises(ConfigError, match=words):
        layer_of(description)


def test_a_layer_of_another_kind_cannot_be_described():
    class ReLU(Layer):
        def output_shape(self, shape):
            return shape

        def forward(self, x, ws):
            return x

        def backward(self, grad, ws):
            return grad

    with pytest.raises(ConfigError, match="cannot be described"):
        describe(ReLU())
