"""A change that is confined to a window of a map: what it is, where it reaches, how it is cut and joined."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import fx
from torch.autograd import forward_ad
from torch.nn import functional


@dataclass(frozen=True)
class Change:
    """What pushes change of a tensor (1, C, H, W) or (1, ...).

    Args:
        values: One change for each push: (n, C, h, w) inside the window, (n, ...) of the whole tensor.
        corner: Top row and left column of the window; None where `values` covers the whole tensor.
    """

    values: torch.Tensor
    corner: tuple[int, int] | None = None

    def span(self, axis: int) -> tuple[int, int]:
        """First row (axis 0) or column (axis 1) of the window, and the one after its last."""
        start = self.corner[axis] if self.corner else 0
        return start, start + self.values.shape[2 + axis]


@dataclass(frozen=True)
class Raw:
    """What a part gives for pushed images that has no derivative: a shape, a mask, a tensor that no push changes."""

    value: Any


@dataclass(frozen=True)
class Parts:
    """What pushes change of the members of a tuple, list or dictionary, flattened as torch flattens the one at rest."""

    leaves: tuple[Change | Raw, ...]


Carried: TypeAlias = Change | Raw | Parts
"""What of a node's value is handed on."""
Rest: TypeAlias = Mapping[fx.Node, Any]
Found: TypeAlias = Mapping[fx.Node, Carried]
Rule: TypeAlias = Callable[[fx.GraphModule, Rest, Found, "Way"], Carried]
"""How a change passes through a node: (network, values at rest, what is carried so far, way) → what is carried on."""


@dataclass(frozen=True)
class Way:
    r"""What is carried through the network: a difference, or a derivative.

    Args:
        is_derivative: False: f(v + Δ) − f(v). True: the derivative f′(v) Δ, by forward-mode differentiation.
    """

    is_derivative: bool = False

    def through(
        self,
        function: Callable[..., Any],
        rest: Sequence[torch.Tensor],
        changes: Sequence[torch.Tensor],
        given: torch.Tensor,
    ) -> torch.Tensor:
        """What changes of `function`, which gives `given` for the tensors at rest."""
        if not self.is_derivative:
            return function(*(v + d for v, d in zip(rest, changes, strict=True))) - given
        with forward_ad.dual_level():
            duals = [dual(v, d) for v, d in zip(rest, changes, strict=True)]
            return tangent_of(function(*duals))

    def through_members(
        self,
        function: Callable[..., Sequence[Any]],
        rest: Sequence[torch.Tensor],
        changes: Sequence[torch.Tensor],
        given: Sequence[Any],
    ) -> tuple[Change | Raw, ...]:
        """What changes of each thing that `function` gives; `given` are those for the tensors at rest.

        Raises:
            ValueError: It gives another number of things than at rest.
        """
        if not rest:
            return tuple(Raw(value) for _, value in zip(given, function(), strict=True))
        if not self.is_derivative:
            values = function(*(v + d for v, d in zip(rest, changes, strict=True)))
            pairs = zip(values, given, strict=True)
            return tuple(Change(v - g) if _is_real(v) else Raw(v) for v, g in pairs)
        with forward_ad.dual_level():
            values = function(*(dual(v, d) for v, d in zip(rest, changes, strict=True)))
            pairs = zip(values, given, strict=True)
            return tuple(Change(tangent_of(v)) if _is_real(v) else Raw(v) for v, _ in pairs)

    def through_relu(self, rest: torch.Tensor, change: torch.Tensor, *, owned: bool) -> torch.Tensor:
        r"""max(v + Δ, 0) − max(v, 0) = max(Δ + min(v, 0), −max(v, 0)), without cancellation.

        Args:
            rest: v.
            change: Δ.
            owned: Whether Δ may be written into.
        """
        if self.is_derivative:
            slope = (rest > 0).to(change.dtype)
            return change.mul_(slope) if owned else change * slope
        low, high = rest.clamp(max=0), -rest.clamp(min=0)
        if owned:
            return torch.maximum(change.add_(low), high, out=change)
        return torch.maximum(change + low, high)


def dual(value: torch.Tensor, tangent: torch.Tensor) -> torch.Tensor:
    """Returns a value (1, ...) with its derivatives in the directions (n, ...), for forward-mode differentiation."""
    with warnings.catch_warnings():  # the first call loads parts of torch that warn of other parts of torch
        warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
        return forward_ad.make_dual(value + torch.zeros_like(tangent), tangent.clone())


def tangent_of(value: torch.Tensor) -> torch.Tensor:
    """Returns the derivative that a value carries, inside forward mode; zero where it carries none."""
    plain, tangent = forward_ad.unpack_dual(value)
    return torch.zeros_like(plain) if tangent is None else tangent


def _is_real(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def whole(change: Change, rest: torch.Tensor) -> torch.Tensor:
    """Returns the change of the whole tensor: zero outside the window."""
    if change.corner is None:
        return change.values
    return boxed(change, (0, rest.shape[2]), (0, rest.shape[3]))


def part_of(rest: torch.Tensor, change: Change) -> torch.Tensor:
    """Returns the part of a tensor at rest that lies in the window."""
    return rest if change.corner is None else rest[..., slice(*change.span(0)), slice(*change.span(1))]


def reached(
    change: Change,
    given: torch.Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Rows and columns of the output that see the window, and those of the (padded) input that they read."""
    boxes, reads = [], []
    for axis in (0, 1):
        start, stop = change.span(axis)
        reach, size = dilation[axis] * (kernel[axis] - 1), given.shape[2 + axis]
        low = min(max(0, -((reach - start - padding[axis]) // stride[axis])), size - 1)
        high = max(min(size, (stop - 1 + padding[axis]) // stride[axis] + 1), low + 1)
        boxes.append((low, high))
        reads.append((low * stride[axis] - padding[axis], (high - 1) * stride[axis] - padding[axis] + reach + 1))
    return boxes, reads


def boxed(change: Change, rows: tuple[int, int], columns: tuple[int, int]) -> torch.Tensor:
    """The change in another window: cut, and zero where it was not changed, which is everywhere if they do not meet."""
    (top, bottom), (left, right) = change.span(0), change.span(1)
    if min(bottom, rows[1]) <= max(top, rows[0]) or min(right, columns[1]) <= max(left, columns[0]):
        return change.values.new_zeros(*change.values.shape[:2], rows[1] - rows[0], columns[1] - columns[0])
    edges = (left - columns[0], columns[1] - right, top - rows[0], rows[1] - bottom)
    return functional.pad(change.values, edges) if any(edges) else change.values


def read(rest: torch.Tensor, rows: tuple[int, int], columns: tuple[int, int], fill: float) -> torch.Tensor:
    """The tensor at rest in a window that may reach beyond its edges."""
    height, width = rest.shape[2:]
    edges = (-columns[0], columns[1] - width, -rows[0], rows[1] - height)
    return functional.pad(rest, edges, value=fill) if any(edges) else rest


def joined(
    changes: Sequence[Change], given: torch.Tensor, join: Callable[[list[torch.Tensor]], torch.Tensor]
) -> Change:
    """Changes of maps of one size in the smallest window that holds them all."""
    if given.ndim != 4:
        return Change(join([change.values for change in changes]))
    rows, columns = ((min(c.span(axis)[0] for c in changes), max(c.span(axis)[1] for c in changes)) for axis in (0, 1))
    return Change(join([boxed(change, rows, columns) for change in changes]), (rows[0], columns[0]))
