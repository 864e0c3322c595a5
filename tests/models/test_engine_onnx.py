"""Networks of the engine in ONNX files."""

import sys

import numpy as np
import pytest
import torch

from shiftgauge.engine.activations import LeakyReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import MissingExtraError, ModelError
from shiftgauge.models.engine_onnx import export_onnx
from shiftgauge.models.load import load_model

pytest.importorskip("onnx", reason="needs the extra `onnx`")
ort = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


def run(path, images):
    return ort.InferenceSession(str(path)).run(None, {"images": images.numpy()})[0]


def test_a_runtime_gives_what_the_engine_gives(tmp_path):
    body = Sequential(Conv2d(4, 4, 3, padding=1, groups=2), BatchNorm2d(4, epsilon=1e-3), LeakyReLU(0.2))
    layers = Sequential(
        Conv2d(2, 4, 3, stride=2, padding=1, bias=False),
        MaxPool2d(3, stride=1, padding=1),
        Residual(body),
        Residual(Conv2d(4, 6, 1), Conv2d(4, 6, 1)),
        AvgPool2d(3, stride=2, padding=1),
        Dropout(0.5),
        Flatten(),
        Linear(54, 4, bias=False),
        Linear(4, 3),
        Sigmoid(),
    )
    network = Network(layers, input_shape=(2, 10, 10), seed=4)
    rng = torch.Generator().manual_seed(0)
    for name, value in network.named_buffers().items():
        value.copy_(torch.rand(value.shape, generator=rng) + (0.5 if name.endswith("var") else 0))
    images = torch.randn(5, 2, 10, 10, generator=rng)
    found = run(export_onnx(network, tmp_path / "net.onnx"), images)
    np.testing.assert_allclose(found, network.outputs(images).numpy(), atol=1e-5)


def test_a_detector_becomes_a_classifier_of_two_classes(tmp_path):
    network = Network(glass_layers(side=16), input_shape=(1, 16, 16))
    images = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    file = export_onnx(network, tmp_path / "net.onnx")
    np.testing.assert_allclose(run(file, images)[:, 1:], network.outputs(images).numpy(), atol=1e-5)
    assert run(export_onnx(network, tmp_path / "one.onnx", two_classes=False), images).shape == (3, 1)
    look = {"height": 16, "width": 16, "channels": 1, "mean": 0.0, "std": 1.0}
    model = load_model({"kind": "onnx", "path": str(file), "classes": ["good", "defect"], "preprocessing": look})
    np.testing.assert_allclose(model.outputs(images).numpy(), run(file, images), atol=1e-6)


def test_a_layer_without_a_like_is_told(tmp_path):
    class Doubled(Layer):
        def output_shape(self, shape):
            return shape

        def forward(self, x, ws):
            return 2 * x

        def backward(self, grad, ws):
            return 2 * grad

    network = Network(Sequential(Flatten(), Doubled()), input_shape=(1, 2, 2))
    with pytest.raises(ModelError, match="`1`: ONNX has no layer like `Doubled`"):
        export_onnx(network, tmp_path / "net.onnx")


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="onnx"):
        export_onnx(Network(Sequential(Linear(2, 1)), input_shape=(2,)), tmp_path / "net.onnx")
