"""The convolution: its parameters and its shapes; the sums themselves are in `shifted.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftgauge.checks import require_positive_int
from shiftgauge.engine import shifted
from shiftgauge.engine.layer import Layer, require_channels, require_map, require_window, window_count
from shiftgauge.engine.windows import Windows
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError


class Conv2d(Layer):
    """y[n, r, q, o] = b_o + Σ_ijc x[n, s r + i − p, s q + j − p, c] W[i, j, c, o], the sum of a moving window.

    Gradients, with g = ∂L/∂y: ∂L/∂W[i, j, c, o] = Σ_nrq x[n, s r + i − p, s q + j − p, c] g[n, r, q, o];
    ∂L/∂b_o = Σ_nrq g[n, r, q, o]; ∂L/∂x[n, s r + i − p, s q + j − p, c] is the sum of W[i, j, c, o] g[n, r, q, o] over
    all windows (r, q) and entries (i, j) that meet that pixel. `shifted.py` says how it is done.

    Args:
        in_channels: C, ≥ 1.
        out_channels: C', ≥ 1.
        kernel_size: Side k of the square window, ≥ 1 pixel.
        stride: s, pixels from one window to the next.
        padding: p, border of zeros.
        groups: Channels are split into so many groups, each of which sees its own inputs alone; divides C and C'.
        bias: Whether b is there.

    Raises:
        ConfigError: A number outside its range, or groups that do not divide the channels.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> layer = Conv2d(1, 1, 3, padding=1)
        >>> _ = layer.parameters["weight"].fill_(1.0)
        >>> layer.forward(torch.ones(1, 3, 3, 1), Workspace(Mode())).view(3, 3).tolist()
        [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            require_positive_int(name, value)
        require_window(kernel_size, stride, padding)
        if in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"`groups` must divide the channels, got {groups} for {in_channels} in and {out_channels} out"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.parameters["weight"] = torch.zeros(kernel_size, kernel_size, in_channels // groups, out_channels)
        if bias:
            self.parameters["bias"] = torch.zeros(out_channels)

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) → (C', H', W')."""
        _, height, width = require_map("`Conv2d`", shape, self.in_channels)
        rest = (self.kernel_size, self.stride, self.padding)
        return self.out_channels, window_count("`Conv2d`", height, *rest), window_count("`Conv2d`", width, *rest)

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """(N, H, W, C) → (N, H', W', C')."""
        require_channels("`Conv2d`", x, self.in_channels, axes=4)
        n, height, width, _ = x.shape
        at = Windows(n, height, width, self.kernel_size, self.stride, self.padding)
        weight, bias = self.parameters["weight"], self.parameters.get("bias")
        outputs = shifted.forward(x, weight, bias, self.groups, at, ws)
        ws.kept["windows"], ws.kept["outputs"] = at, outputs
        return at.map(outputs)

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y (N, H', W', C') → ∂L/∂x (N, H, W, C)."""
        at, weight = ws.kept["windows"], self.parameters["weight"]
        listed = self._listed(grad, at, ws.kept["outputs"])
        weight_grad = ws.gradient("weight")
        if weight_grad is not None:
            shifted.add_weight_gradient(listed, weight_grad, self.groups, at, ws)
        bias_grad = ws.gradient("bias") if "bias" in self.parameters else None
        if bias_grad is not None:
            bias_grad.add_(listed.sum(0))
        if not ws.wants_input_gradient:
            return grad
        return shifted.input_gradient(listed, weight, self.groups, at, ws)

    @staticmethod
    def _listed(grad: Tensor, at: Windows, outputs: Tensor) -> Tensor:
        """∂L/∂y as a list like the outputs, in their place, where it may lie already; 0 beside the map."""
        place = at.map(outputs)
        if grad.data_ptr() != place.data_ptr() or grad.stride() != place.stride():
            place.copy_(grad)
        at.clear_border(outputs)
        return outputs
