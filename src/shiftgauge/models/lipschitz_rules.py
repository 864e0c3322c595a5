r"""How much each kind of layer can enlarge a change in l2, channel by channel where that can be told.

A change Δ of a feature map is followed as a pair (L, d): ‖Δ / d‖ ≤ L ‖Δx‖, with a number d_c ≥ 0 for each channel (one
with d_c = 0 does not change). A batch normalisation multiplies d by its gains; what works on each channel by itself
(ReLU, pooling) leaves d as it is; the next convolution takes the norm of W diag(d), which is at most ‖W‖ max d.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (as everyone calls it)
from torch import nn

from shiftgauge.models.conv_norm import overlap, pair
from shiftgauge.models.conv_norm_bound import ROUNDING
from shiftgauge.models.lipschitz_linear import NoBoundError, batch_norm_gains, linear_gain
from shiftgauge.models.parseval_layers import ConvexAggregation, MeanOnlyBatchNorm2d, ScaledConv2d


@dataclass(frozen=True, kw_only=True)
class Change:
    """How much a value can change with the input: ‖Δ / d‖ ≤ L ‖Δx‖.

    Args:
        constant: L ≥ 0; 0 for what does not depend on the input.
        channels: d (C,) ≥ 0 along axis 1; None for 1 everywhere.
    """

    constant: float
    channels: torch.Tensor | None = None

    @property
    def plain(self) -> float:
        """L max d: the Lipschitz constant without regard to channels."""
        return self.constant if self.channels is None else self.constant * float(self.channels.max())

    def times(self, gain: float) -> Change:
        """After a part of this gain that keeps channels apart."""
        return Change(constant=self.constant * gain, channels=self.channels)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One step of a network as it was run on an example.

    Args:
        target: A module, a function, or the name of a method of a tensor.
        values: What it was called with.
        changes: For each of them how it can change, a list for a list of tensors; None for what is no tensor.
        keywords: What it was called with by name.
        out: What it gave.
        tolerance: Of the bound of a convolution.
    """

    target: Any
    values: Sequence[Any]
    changes: Sequence[Any]
    keywords: Mapping[str, Any]
    out: torch.Tensor
    tolerance: float = 1e-3

    @property
    def first(self) -> Change:
        """How its first argument can change."""
        return self.changes[0]

    def option(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by its place or name."""
        return self.values[place] if len(self.values) > place else self.keywords.get(name, default)


Rule: TypeAlias = Callable[[Part], Change]


def change_after(part: Part) -> Change:
    """How the output of a part can change, given how what it was called with can.

    Raises:
        NoBoundError: No constant is known for the part, or there is none.
    """
    module = isinstance(part.target, nn.Module)
    kind = type(part.target).__name__ if module else getattr(part.target, "__name__", str(part.target))
    rule = RULES.get(type(part.target) if module else part.target)
    if rule is None:
        raise NoBoundError(_REASONS.get(kind, f"no Lipschitz constant is known here for a `{kind}`"))
    return rule(part)


def linear_change(part: Part, after: torch.Tensor | None = None) -> Change:
    """After a convolution or a linear layer, and a factor for each of its outputs.

    Raises:
        NoBoundError: A convolution with a padding that repeats values.
    """
    value, first = part.values[0], part.first
    if isinstance(part.target, nn.Linear) and value.ndim != 2:  # its inputs do not lie along the axis of the channels
        return Change(constant=first.plain * linear_gain(part.target, (1, 1), after=after))
    size = (value.shape[2], value.shape[3]) if value.ndim == 4 else (1, 1)
    gain = linear_gain(part.target, size, before=first.channels, after=after, tolerance=part.tolerance)
    return Change(constant=first.constant * gain)


def _batch_norm(part: Part) -> Change:
    gains, before = batch_norm_gains(part.target), part.first.channels
    return Change(constant=part.first.constant, channels=gains if before is None else gains * before)


def _by_value(slope: float | Callable[[Any], float]) -> Rule:
    """A function of each value by itself whose slope is at most this."""
    return lambda part: part.first.times(slope(part.target) if callable(slope) else slope)


def _dropout(part: Part) -> Change:
    if part.option(2, "training", True):
        raise NoBoundError("it drops values at random in evaluation too")
    return part.first


def _max_pool(part: Part) -> Change:
    """A value stands in at most so many windows, each of which changes by no more than its largest change."""
    if isinstance(part.target, nn.Module):
        kernel, stride, dilation = part.target.kernel_size, part.target.stride, part.target.dilation
    else:
        kernel = part.option(1, "kernel_size")
        stride, dilation = part.option(2, "stride") or kernel, part.option(4, "dilation", 1)
    axes: Any = (kernel, stride, dilation)
    return part.first.times(math.sqrt(math.prod(map(overlap, *map(pair, axes)))))


def _average(part: Part) -> Change:
    """A linear map with weights ≥ 0: ‖A‖ ≤ √(largest sum of a row · largest sum of a column), Schur's test."""
    image = torch.ones(1, 1, *part.values[0].shape[2:], dtype=torch.float64)
    with torch.enable_grad():
        rows = part.target(image.requires_grad_(), *part.values[1:], **part.keywords)
        (columns,) = torch.autograd.grad(rows.sum(), image)
    return part.first.times(math.sqrt(float(rows.max()) * float(columns.max())) * ROUNDING)


def _mean(part: Part) -> Change:
    """A mean of n values: 1/√n."""
    value, given = part.values[0], part.option(1, "dim")
    axes = [a % value.ndim for a in ([given] if isinstance(given, int) else given or [0])]
    if 0 in axes:
        raise NoBoundError("a mean over the images of a batch makes an output depend on all of them")
    gain = 1 / math.sqrt(math.prod(value.shape[a] for a in axes))
    return part.first.times(gain) if 1 not in axes else Change(constant=part.first.plain * gain)


def _reshaped(part: Part) -> Change:
    """The same values in another form; those of a channel stay together where later axes are joined to its own."""
    value, channels = part.values[0], part.first.channels
    if part.out.shape[0] != value.shape[0]:
        raise NoBoundError("it makes values of several images into one")
    if channels is None or part.out.shape[:2] == value.shape[:2]:
        return part.first
    if part.out.ndim == 2:
        return Change(constant=part.first.constant, channels=channels.repeat_interleave(value[0, 0].numel()))
    return Change(constant=part.first.plain)


def _moved(part: Part) -> Change:
    if part.out.shape[0] != part.values[0].shape[0]:
        raise NoBoundError("it makes values of several images into one")
    return Change(constant=part.first.plain)


def _cut(part: Part) -> Change:
    index = list(part.values[1]) if isinstance(part.values[1], tuple) else []
    if not index or index[0] != slice(None) or not all(isinstance(i, (slice, type(...))) for i in index):
        raise NoBoundError("it picks values by an index that may repeat them")
    return Change(constant=part.first.plain)


def _padded(part: Part) -> Change:
    if part.option(2, "mode", "constant") != "constant":
        raise NoBoundError("its padding repeats values of the edge")
    return Change(constant=part.first.plain) if len(part.option(1, "pad")) > 4 else part.first


def _added(part: Part) -> Change:
    """A sum: constants add up; what does not depend on the input adds nothing."""
    second = abs(float(part.keywords.get("alpha", 1)))
    changes = [
        (change, factor * _spread(part, place))
        for place, (change, factor) in enumerate(zip(part.changes[:2], (1.0, second), strict=True))
        if change is not None and change.constant > 0
    ]
    if len(changes) == 1 and changes[0][1] == 1:
        return changes[0][0]
    return Change(constant=sum(change.plain * factor for change, factor in changes))


def _product(part: Part) -> Change:
    """A product with something that does not depend on the input."""
    places = [k for k, change in enumerate(part.changes[:2]) if change is not None and change.constant > 0]
    if len(places) > 1:
        raise NoBoundError("it multiplies two values that both depend on the image")
    factor = torch.as_tensor(part.values[1 - places[0]]).detach().double().abs()
    change = part.changes[places[0]]
    if factor.numel() == 1:
        return change.times(float(factor))
    return Change(constant=change.plain * float(factor.max()) * _spread(part, places[0]))


def _quotient(part: Part) -> Change:
    second = part.changes[1]
    if second is not None and second.constant > 0:
        raise NoBoundError("it divides by a value that depends on the image")
    divisor = torch.as_tensor(part.values[1]).detach().double()
    return Change(constant=part.first.plain * float(divisor.abs().reciprocal().max()) * _spread(part, 0))


def _spread(part: Part, place: int) -> float:
    """√ of how often a value is repeated to meet a larger one."""
    return math.sqrt(part.out[0].numel() / part.values[place][0].numel())


def _aggregated(part: Part) -> Change:
    weights = part.target.weights.detach().cpu().double().abs().tolist()
    return Change(constant=sum(w * change.plain for w, change in zip(weights, part.changes, strict=True)))


def _joined(part: Part) -> Change:
    """Maps side by side: the squares of their constants add up."""
    if part.option(1, "dim", 0) == 0:
        raise NoBoundError("it makes values of several images into one")
    return Change(constant=math.hypot(*(change.plain for change in part.changes[0])))


def _softmax(part: Part) -> Change:
    """Its Jacobian diag(p) − ppᵀ has rows whose absolute values add up to 2 p (1 − p) ≤ ½."""
    axis = part.target.dim if isinstance(part.target, nn.Softmax) else part.option(1, "dim")
    if axis is None or axis % part.out.ndim == 0:
        raise NoBoundError("its values add up to 1 over the images of a batch, or over an axis that is not stated")
    return Change(constant=part.first.plain / 2)


_SLOPES: Final[Mapping[Any, float | Callable[[Any], float]]] = {
    nn.Identity: 1.0, nn.Dropout: 1.0, nn.Dropout2d: 1.0, nn.ZeroPad2d: 1.0, nn.ConstantPad2d: 1.0,
    MeanOnlyBatchNorm2d: 1.0, nn.ReLU: 1.0, nn.ReLU6: 1.0, nn.Hardtanh: 1.0, nn.Tanh: 1.0, nn.Softplus: 1.0,
    nn.LeakyReLU: lambda layer: max(1.0, abs(layer.negative_slope)), nn.ELU: lambda layer: max(1.0, layer.alpha),
    nn.Sigmoid: 0.25, nn.SiLU: 1.1, nn.GELU: 1.13, nn.Mish: 1.09, nn.Hardswish: 1.5,
    torch.relu: 1.0, F.relu: 1.0, "relu": 1.0, "relu_": 1.0, F.relu6: 1.0, torch.tanh: 1.0, "tanh": 1.0,
    torch.sigmoid: 0.25, F.sigmoid: 0.25, "sigmoid": 0.25, F.silu: 1.1, F.gelu: 1.13,
    operator.neg: 1.0, "contiguous": 1.0, "clone": 1.0,
}  # fmt: skip

RULES: Final[Mapping[Any, Rule]] = {
    **{target: _by_value(slope) for target, slope in _SLOPES.items()},
    **dict.fromkeys((nn.Conv2d, ScaledConv2d, nn.Linear), linear_change),
    **dict.fromkeys((nn.BatchNorm2d, nn.BatchNorm1d), _batch_norm),
    **dict.fromkeys((nn.MaxPool2d, F.max_pool2d), _max_pool),
    **dict.fromkeys((nn.AvgPool2d, nn.AdaptiveAvgPool2d, F.avg_pool2d, F.adaptive_avg_pool2d), _average),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    **dict.fromkeys((nn.Flatten, torch.flatten, "flatten", "view", "reshape", "squeeze", torch.squeeze), _reshaped),
    **dict.fromkeys(("permute", "transpose", torch.permute, torch.transpose), _moved),
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _added),
    **dict.fromkeys((operator.sub, torch.sub, "sub"), _added),
    **dict.fromkeys((operator.mul, torch.mul, "mul"), _product),
    **dict.fromkeys((operator.truediv, torch.div, "div"), _quotient),
    **dict.fromkeys((nn.Softmax, F.softmax, torch.softmax, "softmax"), _softmax),
    operator.getitem: _cut, F.pad: _padded, F.dropout: _dropout, torch.cat: _joined, ConvexAggregation: _aggregated,
}  # fmt: skip
"""What is known of modules by their exact type, and of functions and methods."""

_OWN = "it divides by the standard deviation of the image itself, which may be as small as can be"
_REASONS: Final[Mapping[str, str]] = {
    "LayerNorm": _OWN,
    "GroupNorm": _OWN,
    "InstanceNorm2d": _OWN,
    "layer_norm": _OWN,
    "group_norm": _OWN,
    "MultiheadAttention": "it multiplies two values that both depend on the image",
    "scaled_dot_product_attention": "it multiplies two values that both depend on the image",
}
