"""Networks of the engine as ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.network import Network
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import MissingExtraError, ModelError
from shiftgauge.files import write_atomic

_OPSET: Final = 17
_IR_VERSION: Final = 8
_PLAIN: Final = {ReLU: "Relu", Sigmoid: "Sigmoid", Flatten: "Flatten"}


def export_onnx(network: Network, path: str | Path, *, two_classes: bool = True) -> Path:
    """Writes a trained network as an ONNX file for any runtime, with batches of any size.

    Args:
        network: The network; it is written as it is evaluated, without dropout.
        path: The file.
        two_classes: Of a network with one logit z, write the outputs (0, z) of two classes, so that it is a classifier
            for every command; false writes z alone.

    Returns:
        The file.

    Raises:
        MissingExtraError: onnx is not installed.
        ModelError: A layer that ONNX has no like of.
        StoreError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from shiftgauge.engine.networks import glass_layers
        >>> network = Network(glass_layers(side=16), input_shape=(1, 16, 16))
        >>> with tempfile.TemporaryDirectory() as place:
        ...     export_onnx(network, Path(place) / "net.onnx").stat().st_size > 4 * network.n_parameters
        True
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", "writing an ONNX file") from error
    graph = _Graph(onnx)
    outputs = graph.layer(network.layers, "images", "")
    n_outputs = network.output_shape[0]
    if two_classes and n_outputs == 1:
        nothing = graph.node("Sub", [outputs, outputs], "nothing")
        outputs, n_outputs = graph.node("Concat", [nothing, outputs], "classes", axis=1), 2
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        "shiftgauge",
        [helper.make_tensor_value_info("images", kind, ["batch", *network.input_shape])],
        [helper.make_tensor_value_info(outputs, kind, ["batch", n_outputs])],
        graph.values,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return write_atomic(path, model.SerializeToString())


class _Graph:
    """Nodes and weights of a graph as they are added."""

    def __init__(self, onnx: Any) -> None:
        self._helper, self._numpy = onnx.helper, onnx.numpy_helper
        self.nodes: list[Any] = []
        self.values: list[Any] = []

    def node(self, kind: str, inputs: Sequence[str], name: str, **options: Any) -> str:
        """Adds a node of one output, and returns the output's name."""
        self.nodes.append(self._helper.make_node(kind, list(inputs), [name], **options))
        return name

    def layer(self, layer: Layer, x: str, path: str) -> str:
        """Adds a layer behind an output, and returns its output's name."""
        if isinstance(layer, Sequential):
            for k, inner in enumerate(layer.layers):
                x = self.layer(inner, x, f"{path}{k}.")
            return x
        if isinstance(layer, Residual):
            parts = [self.layer(layer.body, x, f"{path}body."), self.layer(layer.shortcut, x, f"{path}shortcut.")]
            return self.node("Add", parts, f"{path}sum")
        if isinstance(layer, Dropout):
            return x
        if isinstance(layer, LeakyReLU):
            return self.node("LeakyRelu", [x], f"{path}output", alpha=layer.slope)
        if type(layer) in _PLAIN:
            return self.node(_PLAIN[type(layer)], [x], f"{path}output")
        return self._with_options(layer, x, path)

    def _with_options(self, layer: Layer, x: str, path: str) -> str:
        name = f"{path}output"
        if isinstance(layer, Conv2d):
            inputs = [x, self._value(f"{path}weight", layer.parameters["weight"].permute(3, 2, 0, 1))]
            inputs += [self._value(f"{path}bias", layer.parameters["bias"])] if "bias" in layer.parameters else []
            return self.node("Conv", inputs, name, group=layer.groups, **_window(layer))
        if isinstance(layer, Linear):
            product = self.node(
                "MatMul", [x, self._value(f"{path}weight", layer.parameters["weight"])], f"{path}product"
            )
            if "bias" not in layer.parameters:
                return product
            return self.node("Add", [product, self._value(f"{path}bias", layer.parameters["bias"])], name)
        if isinstance(layer, BatchNorm2d):
            held = {**layer.parameters, **layer.buffers}
            inputs = [self._value(path + k, held[k]) for k in ("weight", "bias", "running_mean", "running_var")]
            return self.node("BatchNormalization", [x, *inputs], name, epsilon=layer.epsilon)
        if isinstance(layer, MaxPool2d):
            return self.node("MaxPool", [x], name, **_window(layer))
        if isinstance(layer, AvgPool2d):
            return self.node("AveragePool", [x], name, count_include_pad=1, **_window(layer))
        raise ModelError(f"`{path[:-1]}`: ONNX has no layer like `{type(layer).__name__}`")

    def _value(self, name: str, value: Any) -> str:
        array = np.ascontiguousarray(value.detach().cpu().numpy(), dtype=np.float32)
        self.values.append(self._numpy.from_array(array, name))
        return name


def _window(layer: Conv2d | MaxPool2d | AvgPool2d) -> dict[str, list[int]]:
    return {
        "kernel_shape": [layer.kernel_size] * 2,
        "strides": [layer.stride] * 2,
        "pads": [layer.padding] * 4,
    }
