"""Receptive fields: which pixels of an image a value of a block's output depends on."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import fx, nn
from torch.fx.node import map_arg

from shiftgauge.errors import ModelError
from shiftgauge.models.capture import block_outputs
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.layout import channel_axes
from shiftgauge.models.reach import (
    WHOLE,
    Found,
    Reach,
    Whole,
    is_adaptive,
    through_adaptive,
    through_points,
    through_windows,
    windows_of,
)
from shiftgauge.models.tracing import TRACE_ERRORS

_WALK_ERRORS: Final = (*TRACE_ERRORS, ModelError)


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """The pixels that a value of a map depends on: the value in row i depends on rows around offset + i·stride.

    Args:
        size: Rows and columns; None when every value depends on the whole image, as after a global pooling, an
            attention, or a gate that looks at every pixel. Larger than the image where padding lies within.
        stride: Pixels from the field of one value to that of the next, rows and columns.
        offset: Centre of the field of the first value, rows and columns, where the centre of the first pixel is 0.
        measured: Whether it was measured (see `receptive_fields`).
    """

    size: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    offset: tuple[float, float] | None = None
    measured: bool = False

    def __str__(self) -> str:
        """Size alone, such as `5×5`."""
        return "whole image" if self.size is None else f"{self.size[0]}×{self.size[1]}"


def receptive_fields(
    module: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]
) -> dict[str, ReceptiveField | None]:
    r"""Finds the receptive fields of blocks.

    Sizes are exact, from the arithmetic of kernels, strides, paddings and dilations along the network's graph
    (torch.fx):

    $$ r \leftarrow r + d (k - 1) j, \qquad c \leftarrow c + \left(\tfrac{d (k - 1)}{2} - p\right) j, \qquad
       j \leftarrow j s, $$

    with size r, centre c and stride j; branches that meet are united. Every other part is probed by itself with NaN
    at one place: it either works point by point or is taken to see the whole image. No weight, no ReLU that is off and
    no pooling that chose another pixel can hide a dependence, as they would from a gradient.

    Where a network cannot be traced, rows and columns of the image are made NaN and what becomes NaN at the middle of
    a block is looked up by bisection. Such a field is `measured`: it ends at the border of the image.

    Args:
        module: The network; its mode and flags are as before afterwards.
        images_nchw: A normalised image (N, C, H, W), N ≥ 1; the first is used.
        names: Module paths.

    Returns:
        Name → field; None for a block that gives no map that depends on the image.

    Raises:
        ModelError: An unknown block, or one that does not give one tensor per batch.

    Example:
        >>> first, second = (nn.Conv2d(k, 2, 3, padding=1) for k in (1, 2))
        >>> net = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second)
        >>> found = receptive_fields(net, torch.rand(1, 1, 16, 16), ["1", "2", "3"])
        >>> [(str(f), f.stride, f.offset) for f in found.values()]
        [('3×3', (1, 1), (0.0, 0.0)), ('4×4', (2, 2), (0.5, 0.5)), ('8×8', (2, 2), (0.5, 0.5))]

    References:
        Araujo, A., Norris, W., Sim, J. (2019). Computing receptive fields of convolutional neural networks. Distill.
            doi:10.23915/distill.00021
    """
    chosen = list(dict.fromkeys(names))
    image = images_nchw[:1]
    with evaluation_mode(module), torch.no_grad():
        block_outputs(module, image, chosen)
        for known in (False, True):
            try:
                return _walked(module, image, chosen, with_childless=known)
            except _WALK_ERRORS:
                continue
        with torch.backends.cudnn.flags(enabled=False):  # its fast convolutions would spread NaN over their tiles
            return _measured(module, image, chosen)


class _Tracer(fx.Tracer):
    """Remembers which node holds what each part of the network gave."""

    def __init__(self, with_childless: bool) -> None:
        super().__init__()
        self.given: dict[str, fx.Node] = {}
        self._with_childless = with_childless

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Layers of torch, and those derived from a convolution; if asked for, every part without parts."""
        childless = self._with_childless and not any(True for _ in m.children())
        return childless or isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a part while tracing."""
        out = super().call_module(m, forward, args, kwargs)
        if isinstance(out, fx.Proxy):
            self.given[self.path_of_module(m)] = out.node
        return out


def _walked(
    module: nn.Module, image_1chw: torch.Tensor, names: Sequence[str], *, with_childless: bool
) -> dict[str, ReceptiveField | None]:
    tracer = _Tracer(with_childless)
    walk = _Walk(fx.GraphModule(module, tracer.trace(module)))
    walk.run(image_1chw)
    same = {id(part): path for path, part in module.named_modules()}
    nodes = {name: tracer.given.get(same[id(module.get_submodule(name))]) for name in names}
    if None in nodes.values():
        raise ModelError("a block has no place of its own in the graph")
    return {name: _field(walk.found[node]) for name, node in nodes.items() if node is not None}


class _Walk(fx.Interpreter):
    """Runs a traced network once and carries the reach of every value along."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.found: dict[fx.Node, Found | None] = {}
        self._parts = dict(traced.named_modules(remove_duplicate=False))

    def run_node(self, n: fx.Node) -> Any:
        """Runs one node."""
        before = {m: self._kept(m) for m in n.all_input_nodes if n.op != "output"}
        value = super().run_node(n)
        if n.op == "placeholder":
            self.found[n] = Reach()
        elif n.op != "output":
            self.found[n] = self._reach(n, before, value)
        return value

    def _kept(self, node: fx.Node) -> Any:
        """A copy of an input, because a part may write into what it is given."""
        value = self.env[node]
        return value.clone() if isinstance(value, torch.Tensor) and self.found[node] is not None else value

    def _reach(self, n: fx.Node, before: Mapping[fx.Node, Any], value: Any) -> Found | None:
        sources = [m for m in before if self.found[m] is not None]
        if not sources or not _holds_tensor(value):
            return None
        reaches = [r for m in sources if isinstance(r := self.found[m], Reach)]
        tensors = [before[m] for m in sources]
        if n.target is operator.getitem and isinstance(tensors[0], (tuple, list)):
            return self.found[sources[0]]
        if len(reaches) < len(sources) or not all(isinstance(v, torch.Tensor) and v.ndim == 4 for v in tensors):
            return WHOLE
        target = self._parts[str(n.target)] if n.op == "call_module" else n.target
        if len(sources) == 1 and isinstance(value, torch.Tensor) and value.ndim == 4:
            a, b = tensors[0].shape[-2:], value.shape[-2:]
            sizes_in, sizes_out = (a[0], a[1]), (b[0], b[1])
            if is_adaptive(target):
                return through_adaptive(reaches[0], sizes_in, sizes_out)
            arguments, keywords = map_arg((n.args, n.kwargs), lambda m: before[m])
            windows = windows_of(target, arguments, keywords)
            if windows is not None:
                return through_windows(reaches[0], windows, sizes_in, sizes_out)
        return through_points(reaches, tensors, partial(self._again, n, before, sources))

    def _again(
        self, n: fx.Node, before: Mapping[fx.Node, Any], sources: Sequence[fx.Node], values: Sequence[torch.Tensor]
    ) -> Any:
        """Runs a node on other values of some of its inputs."""
        given = {**before, **dict(zip(sources, values, strict=True))}
        arguments, keywords = map_arg((n.args, n.kwargs), lambda m: given[m])
        return getattr(self, n.op)(n.target, arguments, keywords)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_holds_tensor(part) for part in value)
    return isinstance(value, torch.Tensor)


def _field(found: Found | None) -> ReceptiveField | None:
    if found is None or isinstance(found, Whole):
        return None if found is None else ReceptiveField()
    low, high = found.low, found.high
    return ReceptiveField(
        size=(high[0] - low[0] + 1, high[1] - low[1] + 1),
        stride=found.stride,
        offset=((low[0] + high[0]) / 2, (low[1] + high[1]) / 2),
    )


def _measured(module: nn.Module, image_1chw: torch.Tensor, names: Sequence[str]) -> dict[str, ReceptiveField | None]:
    """Fields of the middle value of each block, by bisection over rows and columns that are NaN."""
    axes = channel_axes(module, image_1chw, names)
    shapes = {name: tuple(value.shape) for name, value in block_outputs(module, image_1chw, names).items()}
    maps = {name: _map_axes(shape, axes[name], image_1chw.shape[-2:]) for name, shape in shapes.items()}
    seen: dict[tuple[int, int, int], dict[str, torch.Tensor]] = {}

    def reached(name: str, axis: int, start: int, stop: int) -> bool:
        """Whether the middle value depends on rows (axis 2) or columns (axis 3) [start, stop)."""
        if (axis, start, stop) not in seen:
            image = image_1chw.clone()
            image.narrow(axis, start, stop - start).fill_(torch.nan)
            spread = block_outputs(module, image, names)
            seen[axis, start, stop] = {k: _middle(v, maps[k]) for k, v in spread.items() if v.ndim == 4}
        return bool(seen[axis, start, stop][name].isnan().any())

    fields: dict[str, ReceptiveField | None] = {}
    for name in names:
        if len(shapes[name]) != 4 or any(shapes[name][a] == 1 for a in maps[name]):
            fields[name] = ReceptiveField(measured=True)
            continue
        ends = [_ends(partial(reached, name, axis), image_1chw.shape[axis]) for axis in (2, 3)]
        fields[name] = _from_ends(ends, image_1chw.shape[-2:], [shapes[name][a] for a in maps[name]])
    return fields


def _map_axes(shape: Sequence[int], channel_axis: int, image: Sequence[int]) -> tuple[int, int]:
    """Axes of rows and columns; where the form of the image speaks for one pair alone, that one."""
    if len(shape) != 4:
        return 2, 3
    fitting = [(a, a + 1) for a in (1, 2) if shape[a] * image[1] == shape[a + 1] * image[0]]
    usual = (1, 2) if channel_axis == 3 else (2, 3)
    return fitting[0] if len(fitting) == 1 else usual


def _middle(value: torch.Tensor, axes: tuple[int, int]) -> torch.Tensor:
    for axis in reversed(axes):
        value = value.select(axis, value.shape[axis] // 2)
    return value


def _ends(reached: Any, size: int) -> tuple[int, int]:
    """First and last row (or column) that counts: the smallest y with [0, y] reached, the largest with [y, size)."""
    low, high = 0, size - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(0, middle + 1) else (middle + 1, high)
    first, high = low, size - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if reached(middle, size) else (low, middle - 1)
    return first, low


def _from_ends(ends: Sequence[tuple[int, int]], image: Sequence[int], block: Sequence[int]) -> ReceptiveField:
    if all(low == 0 and high == size - 1 for (low, high), size in zip(ends, image, strict=True)):
        return ReceptiveField(measured=True)
    (top, bottom), (left, right) = ends
    stride = (max(1, round(image[0] / block[0])), max(1, round(image[1] / block[1])))
    offset = ((top + bottom) / 2 - stride[0] * (block[0] // 2), (left + right) / 2 - stride[1] * (block[1] // 2))
    return ReceptiveField(size=(bottom - top + 1, right - left + 1), stride=stride, offset=offset, measured=True)
