"""Gradients of a network by a faster copy of it, in which batch normalisations are part of the convolutions."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn
from torch.nn import functional

from shiftgauge.errors import ModelError
from shiftgauge.models.conversion import FOLD_TOLERANCE, fold_batch_norm
from shiftgauge.models.output_kind import sample_images
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS, as_matrix

_FRESH: Final = (nn.Conv2d, nn.Linear)
"""Parts whose output is a tensor of its own that they do not need to go back."""
_SUMS: Final = (operator.add, operator.iadd, torch.add)
_RELUS: Final = (functional.relu, torch.relu)
_SLOPE_TOLERANCE: Final = 0.01
"""Largest relative change of a gradient on samples: rounding may move a value over the kink of a ReLU."""
_COPIES: Final[WeakKeyDictionary[nn.Module, nn.Module | None]] = WeakKeyDictionary()
"""The copy of each network, or None where there is nothing to fold."""


def folded_logits(classifier: TorchClassifier) -> Callable[[torch.Tensor], torch.Tensor]:
    r"""Returns a function like `logits_with_grad`, on a copy whose batch normalisations are folded.

    $$ w' = w\,\gamma/\sqrt{v+\epsilon}, \qquad b' = (b-\mu)\,\gamma/\sqrt{v+\epsilon} + \beta $$

    Normalisations that follow no convolution become one product and sum, and a ReLU writes in place where nothing else
    reads what it is given. It is the same function up to float rounding, with fewer passes over the activations,
    forward and back: a quarter of the time less for WRN-16-1. The copy is made once for a classifier. A network that
    cannot be traced, or that holds no pair of convolution and normalisation, runs as it is; so does one that is no
    snapshot, because its weights may change.

    Args:
        classifier: One that runs a torch network.

    Returns:
        Images (n, C, H, W) in [0, 1] → float32 logits (n, K), inside the autograd graph of the images.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
        >>> p = Preprocessing(channels=1, height=4, width=4)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> images = torch.rand(2, 1, 4, 4)
        >>> bool(torch.allclose(folded_logits(c)(images), c.logits_with_grad(images), atol=1e-5))
        True
    """
    faster = _copy_of(classifier) if classifier.owned else None
    if faster is None:
        return classifier.logits_with_grad

    def logits(images_nchw: torch.Tensor) -> torch.Tensor:
        shape = tuple(images_nchw.shape)
        if shape[1:] != classifier.input_shape:
            return classifier.logits_with_grad(images_nchw)  # says what is wrong
        with torch.enable_grad():
            try:
                raw = faster(classifier.preprocessing.normalise(images_nchw.to(classifier.device)))
            except FORWARD_ERRORS as error:
                raise ModelError(f"the model fails on images of the shape {shape}: {one_line(error)}") from error
            outputs = getattr(raw, "logits", raw)
            as_matrix(outputs, len(images_nchw), classifier.n_classes)
            outputs = outputs.to(device=images_nchw.device, dtype=torch.float32)
            tiny = torch.finfo(torch.float32).tiny
            return outputs if classifier.output_kind == "logits" else outputs.clamp_min(tiny).log()

    return logits


class Affine(nn.Module):
    """A batch normalisation in evaluation mode: x γ / √(v + ε) + β − μ γ / √(v + ε), channel by channel."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, norm: nn.BatchNorm2d, mean: torch.Tensor, variance: torch.Tensor) -> None:
        super().__init__()
        with torch.no_grad():
            root = torch.sqrt(variance.double() + norm.eps)
            scale = (1.0 if norm.weight is None else norm.weight.double()) / root
            shift = (0.0 if norm.bias is None else norm.bias.double()) - mean.double() * scale
        for name, value in (("scale", scale), ("shift", shift)):
            self.register_buffer(name, value.to(mean.dtype).view(1, -1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, C, h, w) → the same shape."""
        return torch.addcmul(self.shift, x, self.scale)


def _copy_of(classifier: TorchClassifier) -> nn.Module | None:
    module = classifier.module
    if module not in _COPIES:
        samples = classifier.preprocessing.normalise(sample_images(classifier.input_shape, 2).to(classifier.device))
        with torch.inference_mode(mode=False):
            folded = fold_batch_norm(module, samples.clone())
            _COPIES[module] = None if folded is None else _lighter(folded.eval().requires_grad_(False), samples.clone())
    return _COPIES[module]


def _lighter(folded: nn.Module, samples: torch.Tensor) -> nn.Module:
    """The folded copy with fewer passes, where it gives the same on the samples; else as it is."""
    if not isinstance(folded, fx.GraphModule):
        return folded
    lighter = copy.deepcopy(folded)
    for name, part in list(lighter.named_modules()):
        if type(part) is nn.BatchNorm2d and part.running_mean is not None and part.running_var is not None:
            parent, _, last = name.rpartition(".")
            setattr(lighter.get_submodule(parent), last, Affine(part, part.running_mean, part.running_var))
    _write_in_place(lighter)
    try:
        before, after = (_slope(net, samples.clone()) for net in (folded, lighter))
    except FORWARD_ERRORS:
        return folded
    outputs, slopes = (float((a - b).norm() / b.norm().clamp_min(1e-30)) for a, b in zip(after, before, strict=True))
    return lighter if outputs <= FOLD_TOLERANCE and slopes <= _SLOPE_TOLERANCE else folded


def _write_in_place(network: fx.GraphModule) -> None:
    """Lets each ReLU write over what it is given, where that is a tensor of its own that nothing else reads."""
    for node in network.graph.nodes:
        if not _is_relu(network, node) or not isinstance(node.args[0], fx.Node):
            continue
        source = node.args[0]
        if len(source.users) == 1 and _is_fresh(network, source):
            node.op, node.target, node.args, node.kwargs = (
                "call_function",
                functional.relu,
                (source,),
                {"inplace": True},
            )
    network.recompile()


def _is_relu(network: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(network.get_submodule(str(node.target)), nn.ReLU)
    return node.op == "call_function" and node.target in _RELUS


def _is_fresh(network: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(network.get_submodule(str(node.target)), (*_FRESH, Affine))
    return node.op == "call_function" and node.target in _SUMS


def _slope(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs, and the gradient of the first one's sum, on images that nobody else holds."""
    at = images.requires_grad_()
    with torch.enable_grad():
        raw = network(at * 1.0)
        outputs = getattr(raw, "logits", raw)
        (gradient,) = torch.autograd.grad(outputs[:, 0].sum(), at)
    return outputs.detach(), gradient
