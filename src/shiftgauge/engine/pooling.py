"""Pooling: the largest value, or the mean, of every window of a map."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftgauge.engine.layer import Layer, require_map, require_window, window_count
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError

_ROWS, _COLUMNS = 1, 2


class _Pool(Layer):
    """What both poolings share. A square window is pooled along its rows first, then along its columns."""

    def __init__(self, kernel_size: int, *, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        require_window(self.kernel_size, self.stride, self.padding)
        if kernel_size == 1:
            raise ConfigError(
                "`kernel_size` of a pooling must be 2 or more, got 1: a window of one pixel pools nothing"
            )
        if 2 * padding > kernel_size:
            raise ConfigError(
                f"`padding` of a pooling must be at most half of `kernel_size`, got {padding} for {kernel_size}; "
                "a window in the padding alone has no value"
            )

    @property
    def _name(self) -> str:
        return f"`{type(self).__name__}`"

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) → (C, H', W')."""
        channels, height, width = require_map(self._name, shape)
        return channels, self._count(height), self._count(width)

    def _count(self, size: int) -> int:
        return window_count(self._name, size, self.kernel_size, self.stride, self.padding)

    def _padded(self, x: Tensor, ws: Workspace, value: float) -> Tensor:
        """The maps with a border of `value`; itself where there is none."""
        if self.padding == 0:
            return x
        n, height, width, channels = x.shape
        p = self.padding
        padded = ws.buffer("padded", (n, height + 2 * p, width + 2 * p, channels), like=x)
        padded.fill_(value)[:, p : p + height, p : p + width] = x
        return padded

    def _cropped(self, grad: Tensor) -> Tensor:
        """Takes the border off again."""
        p = self.padding
        return grad[:, p : grad.shape[1] - p, p : grad.shape[2] - p] if p else grad

    def _taps(self, x: Tensor, axis: int, count: int) -> list[Tensor]:
        """The first entry of every window along an axis, the second of every window, and so on: views of x."""
        last = self.stride * (count - 1) + 1
        slices = [slice(t, t + last, self.stride) for t in range(self.kernel_size)]
        return [x[:, :, s] if axis == _COLUMNS else x[:, s] for s in slices]

    def _pooled_shape(self, shape: Shape, axis: int) -> Shape:
        count = (shape[axis] - self.kernel_size) // self.stride + 1
        return tuple(count if a == axis else size for a, size in enumerate(shape))


class MaxPool2d(_Pool):
    """The largest value of each window; the whole gradient goes to where it was.

    Along one axis, with v_t the t-th entry of every window: m₀ = v₀, m_t = max(m_{t−1}, v_t). Backward, with r = ∂L/∂m
    and t from the last to 1: ∂L/∂v_t = [v_t > m_{t−1}] r, r ← r − ∂L/∂v_t; what is left is ∂L/∂v₀. Since the bracket is
    0 or 1, nothing is rounded. It is done along each row, then along the columns.

    Equal values: the first in reading order takes the gradient, as in PyTorch.

    Nothing is noted but the values: comparing them again in backward is faster than reading notes, and than notes in
    bytes by far, since numbers and bytes do not multiply at full speed.

    Args:
        kernel_size: Side of the square window, ≥ 2 pixels.
        stride: Pixels from one window to the next; default the window's side.
        padding: Border of −∞, at most half of the window.

    Raises:
        ConfigError: A number outside its range.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> x = torch.tensor([[1.0, 4.0], [3.0, 2.0]]).view(1, 2, 2, 1)
        >>> MaxPool2d(2).forward(x, Workspace(Mode())).item()
        4.0
    """

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """(N, H, W, C) → (N, H', W', C)."""
        padded = self._padded(x, ws, -torch.inf)
        ws.kept["padded"] = padded
        return self._maxima(self._maxima(padded, _COLUMNS, ws), _ROWS, ws)

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y (N, H', W', C) → ∂L/∂x (N, H, W, C)."""
        padded, in_rows = ws.kept["padded"], ws.kept[f"maxima {_COLUMNS}"][-1]
        grad = self._hand_back(grad, in_rows, in_rows, _ROWS, ws)
        # where the input is needed no more, its gradient takes its place
        own = ws.may_overwrite or self.padding > 0
        room = padded if own else ws.buffer("input gradient", tuple(padded.shape), like=padded)
        return self._cropped(self._hand_back(grad, padded, room, _COLUMNS, ws))

    def _maxima(self, x: Tensor, axis: int, ws: Workspace) -> Tensor:
        """m_{k−1}, the largest entry of every window along an axis; notes all m_t."""
        shape = self._pooled_shape(tuple(x.shape), axis)
        first, *others = self._taps(x, axis, shape[axis])
        found = [first]
        for t, tap in enumerate(others, start=1):
            found.append(torch.maximum(found[-1], tap, out=ws.buffer(f"maxima {axis} {t}", shape, like=x)))
        ws.kept[f"maxima {axis}"] = found
        return found[-1]

    def _hand_back(self, grad: Tensor, x: Tensor, room: Tensor, axis: int, ws: Workspace) -> Tensor:
        """Gives the gradient of each maximum to the entry that it came from; writes into `room`, which may be x."""
        shape, found = tuple(grad.shape), ws.kept[f"maxima {axis}"]
        taps, places = self._taps(x, axis, shape[axis]), self._taps(room, axis, shape[axis])
        alone = self.stride == self.kernel_size and shape[axis] * self.stride == x.shape[axis]
        shares = places if alone else [ws.buffer(f"share {axis} {t}", shape, like=grad) for t in range(len(taps))]
        rest = grad
        for t in range(len(taps) - 1, 0, -1):
            taken = torch.gt(taps[t], found[t - 1], out=shares[t]).mul_(rest)
            rest = torch.sub(rest, taken, out=found[t - 1] if t > 1 else shares[0])
        if not alone:
            room.zero_()
            for place, share in zip(places, shares, strict=True):
                place.add_(share)
        return room


class AvgPool2d(_Pool):
    """The mean of each window; each entry of a window takes 1/k² of its gradient.

    The border of the padding counts as zeros, and in the k² that is divided by, as in PyTorch's default.

    Args:
        kernel_size: Side of the square window, ≥ 2 pixels; the side of the map for its overall mean.
        stride: Pixels from one window to the next; default the window's side.
        padding: Border of zeros, at most half of the window.

    Raises:
        ConfigError: A number outside its range.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> x = torch.tensor([[1.0, 4.0], [3.0, 2.0]]).view(1, 2, 2, 1)
        >>> AvgPool2d(2).forward(x, Workspace(Mode())).item()
        2.5
    """

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """(N, H, W, C) → (N, H', W', C)."""
        if ws.mode.keep:
            ws.kept["x"] = x
        padded = self._padded(x, ws, 0.0)
        rows = ws.buffer("rows", self._pooled_shape(tuple(padded.shape), _COLUMNS), like=x)
        y = ws.buffer("output", self._pooled_shape(tuple(rows.shape), _ROWS), like=x)
        self._sum(self._sum(padded, _COLUMNS, rows), _ROWS, y)
        return y.mul_(1 / self.kernel_size**2)

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y (N, H', W', C) → ∂L/∂x (N, H, W, C)."""
        x = ws.kept["x"]
        n, height, width, channels = x.shape
        shape = (n, height + 2 * self.padding, width + 2 * self.padding, channels)
        rows = ws.buffer("rows", self._pooled_shape(shape, _COLUMNS), like=x)
        self._spread(grad, rows, _ROWS)
        rows.mul_(1 / self.kernel_size**2)
        return self._cropped(self._spread(rows, ws.buffer("input gradient", shape, like=x), _COLUMNS))

    def _sum(self, x: Tensor, axis: int, room: Tensor) -> Tensor:
        """Sums of the windows along one axis."""
        taps = self._taps(x, axis, room.shape[axis])
        room.copy_(taps[0])
        for tap in taps[1:]:
            room.add_(tap)
        return room

    def _spread(self, grad: Tensor, room: Tensor, axis: int) -> Tensor:
        """Gives the gradient of each sum to every entry of its window."""
        room.zero_()
        for tap in self._taps(room, axis, grad.shape[axis]):
            tap.add_(grad)
        return room
