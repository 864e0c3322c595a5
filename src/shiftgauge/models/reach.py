"""Which part of an image a value of a feature map depends on, carried through one part of a network after another."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812  (as everyone calls it)
from torch import nn

Pair = tuple[int, int]
"""Rows, columns."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The rectangle of the image that the first value of a map depends on, and how far it moves from value to value.

    Args:
        low: First row and column; negative where padding is meant.
        high: Last row and column, inclusive.
        stride: Pixels from one value of the map to the next.
        axes: Axes of rows and columns in the map.
    """

    low: Pair = (0, 0)
    high: Pair = (0, 0)
    stride: Pair = (1, 1)
    axes: Pair = (2, 3)


class Whole:
    """What depends on the whole image: after a global pooling, an attention, a gate that looks at every pixel."""


WHOLE: Final = Whole()
Found = Reach | Whole
Probe = Callable[[Sequence[torch.Tensor]], Any]
"""Runs a part of a network on other tensors, in the order of those that it was given."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """A part whose value at i depends on the values i·stride − before + dilation·(0 … kernel − 1) along each axis.

    Args:
        kernel: Rows and columns.
        stride: As the part has it.
        before: Padding above and on the left; None when it is to be told from the sizes.
        dilation: As the part has it.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    before: Pair | None = (0, 0)
    dilation: Pair = (1, 1)


def windows_of(target: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Windows | None:
    """The windows of a convolution, pooling, padding or slice; None for every other part.

    Args:
        target: A module, or a function as torch.fx has it.
        arguments: What it is called with.
        keywords: What it is called with by name.
    """
    if isinstance(target, nn.Module):
        return _of_module(target)
    if target in _SIGNATURES:
        named = {**dict(zip(_SIGNATURES[target], arguments[1:], strict=False)), **keywords}
        kernel = named["weight"].shape[-2:] if "weight" in named else named["kernel_size"]
        stride = named.get("stride") or (1 if "weight" in named else kernel)
        return _made(tuple(kernel) if "weight" in named else kernel, stride, named.get("padding", 0), named)
    if target is F.pad:
        sides = keywords["pad"] if "pad" in keywords else arguments[1]
        return Windows(kernel=(1, 1), before=(sides[2] if len(sides) > 2 else 0, sides[0]))
    return _of_slice(arguments[1]) if target is operator.getitem else None


def _of_module(part: nn.Module) -> Windows | None:
    if isinstance(part, nn.Conv2d):
        return _made(part.kernel_size, part.stride, part.padding, {"dilation": part.dilation})
    if isinstance(part, nn.MaxPool2d):
        return _made(part.kernel_size, part.stride, part.padding, {"dilation": part.dilation})
    if isinstance(part, nn.AvgPool2d):
        return _made(part.kernel_size, part.stride, part.padding, {})
    if isinstance(part, (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)):
        return Windows(kernel=(1, 1), before=(int(part.padding[2]), int(part.padding[0])))
    return None


def _made(kernel: Any, stride: Any, padding: Any, named: Mapping[str, Any]) -> Windows:
    before = None if padding == "same" else (0, 0) if padding == "valid" else _pair(padding)
    dilation = _pair(named.get("dilation", 1))
    return Windows(kernel=_pair(kernel), stride=_pair(stride), before=before, dilation=dilation)


def _of_slice(index: Any) -> Windows | None:
    """`x[:, :, a::s, b::t]`, as some shortcuts have it."""
    if not (isinstance(index, tuple) and len(index) == 4 and all(isinstance(part, slice) for part in index)):
        return None
    if index[0] != slice(None) or any((part.step or 1) < 1 or (part.start or 0) < 0 for part in index):
        return None
    rows, columns = index[2:]
    return Windows(
        kernel=(1, 1),
        stride=(rows.step or 1, columns.step or 1),
        before=(-(rows.start or 0), -(columns.start or 0)),
    )


def through_windows(reach: Reach, windows: Windows, sizes_in: Pair, sizes_out: Pair) -> Found:
    """The reach after a part with windows.

    Padding that a layer makes up to keep ceil(size / stride) values, as TensorFlow does, is told from the sizes.

    Args:
        reach: Of its input.
        windows: The part.
        sizes_in: Rows and columns of its input.
        sizes_out: Rows and columns of its output.
    """
    if reach.axes != (2, 3):
        return WHOLE
    low, high, stride = [0, 0], [0, 0], [1, 1]
    for k in (0, 1):
        span = windows.dilation[k] * (windows.kernel[k] - 1)
        before = 0 if windows.before is None else windows.before[k]
        total = (sizes_out[k] - 1) * windows.stride[k] + span + 1 - sizes_in[k]
        made_up = windows.kernel[k] > 1 and before == 0 and sizes_out[k] == -(-sizes_in[k] // windows.stride[k])
        if made_up and total > 0:
            before = total // 2
        low[k] = reach.low[k] - before * reach.stride[k]
        high[k] = reach.high[k] + (span - before) * reach.stride[k]
        stride[k] = reach.stride[k] * windows.stride[k]
    return replace(reach, low=(low[0], low[1]), high=(high[0], high[1]), stride=(stride[0], stride[1]))


def through_adaptive(reach: Reach, sizes_in: Pair, sizes_out: Pair) -> Found:
    """The reach after a pooling to a given size; the whole image unless its cells are of one size."""
    if sizes_in == sizes_out:
        return reach
    if 1 in sizes_out or any(a % b for a, b in zip(sizes_in, sizes_out, strict=True)):
        return WHOLE
    cell = (sizes_in[0] // sizes_out[0], sizes_in[1] // sizes_out[1])
    return through_windows(reach, Windows(kernel=cell, stride=cell), sizes_in, sizes_out)


def is_adaptive(target: Any) -> bool:
    """Whether a part pools to a given size."""
    modules = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
    return isinstance(target, modules) or target is F.adaptive_avg_pool2d or target is F.adaptive_max_pool2d


def through_points(reaches: Sequence[Reach], values: Sequence[torch.Tensor], run: Probe) -> Found:
    """The reach after a part of any other kind: point by point, or else taken as the whole image.

    One place of every input is made NaN, which spreads to every value that depends on it, whatever the numbers are: a
    ReLU that is off or a pooling that chose another value hides nothing. A part whose output is NaN at that one place
    works point by point, and the reach is the union of those of its inputs.

    Args:
        reaches: Of the inputs that depend on the image.
        values: These inputs.
        run: Runs the part on others.
    """
    first, *others = reaches
    sizes = _sizes(first, values[0])
    for other, value in zip(others, values[1:], strict=True):
        if (other.axes, other.stride, _sizes(other, value)) != (first.axes, first.stride, sizes):
            return WHOLE
    place = (sizes[0] // 2, sizes[1] // 2)
    out = run([_with_nan(value, reach.axes, place) for reach, value in zip(reaches, values, strict=True)])
    parts = out if isinstance(out, (tuple, list)) else [out]  # split into several, as gates are
    found = {_only_at(part, sizes, place) for part in parts}
    axes = found.pop() if len(found) == 1 else None
    if axes is None:
        return WHOLE
    low = (min(r.low[0] for r in reaches), min(r.low[1] for r in reaches))
    high = (max(r.high[0] for r in reaches), max(r.high[1] for r in reaches))
    return Reach(low=low, high=high, stride=first.stride, axes=axes)


def _sizes(reach: Reach, value: torch.Tensor) -> Pair:
    return value.shape[reach.axes[0]], value.shape[reach.axes[1]]


def _with_nan(value: torch.Tensor, axes: Pair, place: Pair) -> torch.Tensor:
    marked = value.clone()
    marked.select(axes[1], place[1]).select(axes[0], place[0]).fill_(torch.nan)
    return marked


def _only_at(out: Any, sizes: Pair, place: Pair) -> Pair | None:
    """The two neighbouring axes on which NaN stands at one place alone; None where it stands elsewhere too."""
    if not isinstance(out, torch.Tensor) or out.ndim != 4 or not out.is_floating_point():
        return None
    spread = torch.isnan(out)
    for axes in ((2, 3), (1, 2)):
        if (out.shape[axes[0]], out.shape[axes[1]]) == sizes:
            others = tuple(a for a in range(4) if a not in axes)
            found = spread.any(dim=others[1]).any(dim=others[0])
            if int(found.sum()) == 1 and bool(found[place]):
                return axes
    return None


def _pair(value: Any) -> Pair:
    if isinstance(value, (tuple, list, torch.Size)):
        return (int(value[0]), int(value[-1]))
    return int(value), int(value)


_CONVOLUTION: Final = ("weight", "bias", "stride", "padding", "dilation", "groups")
_SIGNATURES: Final[Mapping[Any, tuple[str, ...]]] = {
    F.conv2d: _CONVOLUTION,
    torch.conv2d: _CONVOLUTION,
    F.max_pool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    F.avg_pool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
}
"""Functions with windows, and what follows their first argument."""
