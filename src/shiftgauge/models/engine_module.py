"""A network of the engine as an `nn.Module`, differentiated by the engine's own backward passes.

Every layer becomes a module of its own, so that whatever looks at a network by its modules (blocks, maps, records of
activations) sees the layers of the engine. Automatic differentiation only hands the gradients from one layer to the
next: what a layer does with them is its `backward`, written out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from shiftgauge.checks import require_positive_int
from shiftgauge.engine.description import describe, layer_of
from shiftgauge.engine.initialisation import initialise
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.network import Network
from shiftgauge.engine.networks import glass_layers
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.engine.workspace import Mode, Workspace
from shiftgauge.errors import ConfigError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier

_SEEDS = 2**31


class EngineLayer(nn.Module):
    """One layer of the engine: images (N, C, H, W) or rows (N, F), as PyTorch has them.

    Args:
        layer: A layer without layers within it; its weights become the module's parameters and are shared.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> module = EngineLayer(Linear(2, 1))
        >>> x = torch.ones(1, 2, requires_grad=True)
        >>> with torch.no_grad():
        ...     _ = module.weight.copy_(torch.tensor([[3.0], [4.0]]))
        >>> module(x).sum().backward()
        >>> x.grad.tolist(), module.weight.grad.tolist()
        ([[3.0, 4.0]], [[1.0], [1.0]])
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        for name, value in layer.parameters.items():
            self.register_parameter(name, nn.Parameter(value))
        for name, value in layer.buffers.items():
            self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        """y = f(x; w)."""
        parameters = dict(self.named_parameters(recurse=False))
        if torch.is_grad_enabled() and any(value.requires_grad for value in (x, *parameters.values())):
            found: Any = _Differentiated.apply(x, self, tuple(parameters), *parameters.values())
            return found
        values = {name: value.detach() for name, value in parameters.items()}
        return _first(self.holding(values).forward(_last(x), self.workspace()))

    def holding(self, parameters: Mapping[str, Tensor], *, apart: bool = False) -> Layer:
        """The layer with given weights and the module's buffers, or with copies of these where it is to stay apart."""
        held = copy.copy(self.layer)
        held.parameters = {name: value.contiguous() for name, value in parameters.items()}
        held.buffers = {name: value.clone() if apart else value for name, value in self.named_buffers(recurse=False)}
        return held

    def workspace(self, *, keep: bool = False, seed: int = 0) -> Workspace:
        """Notes and memory of one pass."""
        drawn = torch.Generator(next(self.buffers(), next(self.parameters(), torch.empty(0))).device)
        return Workspace(Mode(training=self.training, keep=keep, generator=drawn.manual_seed(seed)))

    def extra_repr(self) -> str:
        """The layer and its options."""
        options = {key: value for key, value in describe(self.layer).items() if key != "kind"}
        return ", ".join([type(self.layer).__name__, *(f"{key}={value}" for key, value in options.items())])


class EngineSum(nn.Module):
    """y = f(x) + s(x), the residual sum of the engine.

    Args:
        body: f.
        shortcut: s.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """f(x) + s(x); both take the whole gradient."""
        return self.body(x) + self.shortcut(x)


class TwoClasses(nn.Module):
    """Outputs (0, z) from one logit z, whose softmax is (1 − σ(z), σ(z)): a detector as a classifier of two classes."""

    def forward(self, z: Tensor) -> Tensor:
        """(N, 1) → (N, 2)."""
        return torch.cat([torch.zeros_like(z), z], dim=1)


class _Differentiated(torch.autograd.Function):
    """Forward and backward of a layer as the engine has them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, module: EngineLayer, names: tuple[str, ...], *values: Tensor) -> Tensor:
        ctx.module, ctx.names, ctx.training = module, names, module.training
        ctx.seed = int(torch.randint(_SEEDS, (), device="cpu")) if module.training else 0
        ctx.save_for_backward(x, *values)
        held = module.holding(dict(zip(names, (v.detach() for v in values), strict=True)))
        return _first(held.forward(_last(x), module.workspace(seed=ctx.seed)))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        """Runs the layer again with what backward needs, so that one pass forward may be gone back twice."""
        x, *values = ctx.saved_tensors
        layer = ctx.module.holding(dict(zip(ctx.names, values, strict=True)), apart=True)
        ws = ctx.module.workspace(keep=True, seed=ctx.seed)
        ws.mode.training = ctx.training
        wanted = any(ctx.needs_input_grad[3:])
        found = {
            name: torch.zeros_like(value, memory_format=torch.contiguous_format)
            for name, value in zip(ctx.names, values, strict=True)
        }
        ws.mode.gradients = found if wanted else None
        ws.wants_input_gradient = ctx.needs_input_grad[0]
        with torch.no_grad():
            layer.forward(_last(x), ws)
            slope = layer.backward(_last(grads[0]), ws)
        ours = _first(slope) if ctx.needs_input_grad[0] else None
        return (ours, None, None, *(found[name] if wanted else None for name in ctx.names))


def as_module(layer: Layer) -> nn.Module:
    """A layer of the engine, with all layers within it, as modules that share its weights.

    The names of weights are those of the engine. What only speeds the engine up (a maximum before a ReLU, a batch in
    parts) is left out; the numbers are the same but for rounding.

    Args:
        layer: Any layer of the engine.

    Example:
        >>> from shiftgauge.engine.activations import ReLU
        >>> from shiftgauge.engine.linear import Linear
        >>> list(as_module(Sequential(Linear(2, 1), ReLU())).state_dict())
        ['0.weight', '0.bias']
    """
    if isinstance(layer, Sequential):
        return nn.Sequential(*(as_module(inner) for inner in layer.layers))
    if isinstance(layer, Residual):
        return EngineSum(as_module(layer.body), as_module(layer.shortcut))
    return EngineLayer(layer)


def engine_network(
    *, n_classes: int = 2, channels: int = 1, layers: Any = None, height: int = 128, width: int = 128
) -> nn.Module:
    """Builds a network of the engine from the description of its layers; new weights are He's.

    Args:
        n_classes: Outputs, ≥ 2; for 2 the layers may end in a single logit, that of the second class.
        channels: Channels of the images, ≥ 1.
        layers: What `engine.description.describe` gives of a `Sequential`; None for those of the glass study's defect
            detector.
        height: Of the images in pixels, ≥ 1.
        width: Of the images in pixels, ≥ 1.

    Returns:
        Normalised images (N, C, H, W) → (N, `n_classes`).

    Raises:
        ConfigError: An unknown layer, layers that do not fit one another or the images, or other outputs.
    """
    shape = (channels, require_positive_int("height", height), require_positive_int("width", width))
    made = _detector(shape, n_classes) if layers is None else layer_of(layers)
    outputs = made.output_shape(shape)
    if outputs != (n_classes,) and (outputs, n_classes) != ((1,), 2):
        raise ConfigError(f"the layers give outputs of shape {outputs}; {n_classes} classes need ({n_classes},)")
    initialise(made, seed=int(torch.randint(_SEEDS, (), device="cpu")))
    module = as_module(made if isinstance(made, Sequential) else Sequential(made))
    return nn.Sequential(module, TwoClasses()) if outputs != (n_classes,) else nn.Sequential(module)


def engine_arguments(network: Network) -> dict[str, Any]:
    """What `engine_network` needs to build a network like a given one, as plain values.

    Args:
        network: Takes images.

    Raises:
        ConfigError: It takes rows of numbers, or has layers that cannot be described.
    """
    if len(network.input_shape) != 3:
        raise ConfigError(f"a classifier of images takes the shape (C, H, W), got {network.input_shape}")
    _, height, width = network.input_shape
    return {"layers": describe(network.layers), "height": height, "width": width}


def classifier_module(network: Network) -> nn.Module:
    """A trained network of the engine as the module that `engine_network` builds, with its weights (copied).

    Args:
        network: Takes images; one output is that of the second of two classes.

    Raises:
        ConfigError: See `engine_arguments`.
    """
    k = network.output_shape[0]
    module = engine_network(n_classes=max(2, k), channels=network.input_shape[0], **engine_arguments(network)).to(
        network.device, network.dtype
    )
    module.load_state_dict({f"0.{name}": value for name, value in network.state().items()})
    return module.eval()


def engine_classifier(
    network: Network, *, preprocessing: Preprocessing, classes: Any = None, source: dict[str, object] | None = None
) -> TorchClassifier:
    """A network of the engine as a classifier, whose input gradients are those written out in the engine.

    It satisfies `DifferentiableClassifier`: audits, maps, activation maximisation, attacks and bounds take it.

    Args:
        network: Takes images of `preprocessing.input_shape`; one output is the logit of the second of two classes.
        preprocessing: How images reach it.
        classes: Names of the classes, as `resolve_class_names` takes them.
        source: JSON-able facts for the record.

    Raises:
        ConfigError: The network does not take such images.
        ModelError: It is no classifier.

    Example:
        >>> from shiftgauge.engine.networks import glass_layers
        >>> network = Network(glass_layers(side=16), input_shape=(1, 16, 16))
        >>> look = Preprocessing(height=16, width=16, channels=1, mean=(0.5,), std=(0.5,))
        >>> model = engine_classifier(network, preprocessing=look, classes=("good", "defect"))
        >>> model.outputs(torch.rand(3, 1, 16, 16)).shape
        torch.Size([3, 2])
    """
    if network.input_shape != preprocessing.input_shape:
        raise ConfigError(
            f"the network takes images of shape {network.input_shape}, the preprocessing gives "
            f"{preprocessing.input_shape}"
        )
    return TorchClassifier(
        classifier_module(network),
        preprocessing=preprocessing,
        device=network.device,
        classes=classes,
        source=source,
        owned=True,
    )


def _detector(shape: tuple[int, int, int], n_classes: int) -> Sequential:
    channels, height, width = shape
    if height != width:
        raise ConfigError(f"the glass study's network takes square images, got {height} × {width}; state `layers`")
    return glass_layers(side=height, channels=channels, outputs=1 if n_classes == 2 else n_classes)


def _last(x: Tensor) -> Tensor:
    """Channels last, as the engine has images."""
    return x.detach().permute(0, 2, 3, 1) if x.ndim == 4 else x.detach()


def _first(y: Tensor) -> Tensor:
    """Channels first, as PyTorch has them."""
    return y.permute(0, 3, 1, 2) if y.ndim == 4 else y
