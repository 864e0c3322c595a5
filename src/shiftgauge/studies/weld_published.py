"""The weld study's shifts as its code applies them, defects included, so that their worth can be measured.

The order is brightness, rotation, perspective, and only then the resizing to the network's input. The perspective drags
the corners of a box of fixed size (244 pixels there), whatever size the stored picture has: upper corners inwards by
tan(tilt) times the box, lower corners fixed. A picture taller than the box is pressed through the horizon of that
perspective and folds over; a smaller one is moved in part alone. It is no turn of a camera, nor alike on the two
sides of 0. `shiftgauge.shifts` does it right; what stands here serves the comparison and nothing else.

Pixels are not rounded to bytes between the steps, as Pillow rounds them; brightness is cut off at white as there.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from shiftgauge.checks import require_range
from shiftgauge.shifts import geometric
from shiftgauge.shifts.photometric import brightness

BOX: Final = 244
"""Side of the published box, and of the published input, in pixels."""
_NEAR_ZERO: Final = 1e-9


def corner_homography(tilt_deg_n: Tensor, box: float = BOX) -> Tensor:
    """Returns the published perspective, source → picture, in pixels from the upper left corner.

    With t = tan(tilt) and a box of side s the corners (0, 0), (s, 0) go to (t s, 0), (s − t s, 0), while (s, s) and
    (0, s) stay: H = [[1 − 2t, −t, t s], [0, 1 − 2t, 0], [0, −2t / s, 1]].

    Args:
        tilt_deg_n: (N,), in degrees, below 26.5 (where the upper corners meet).
        box: s > 0, in pixels.

    Returns:
        (N, 3, 3) float64.

    Example:
        >>> h = corner_homography(torch.tensor([20.0]))[0]
        >>> [round(float(v), 4) for v in (h[0, 0], h[0, 1], h[0, 2], h[2, 1])]
        [0.2721, -0.364, 88.8087, -0.003]
    """
    require_range("box", box, 1)
    t = torch.tan(torch.deg2rad(tilt_deg_n.double()))
    one, zero = torch.ones_like(t), torch.zeros_like(t)
    rows = [1 - 2 * t, -t, t * box, zero, 1 - 2 * t, zero, zero, -2 * t / box, one]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def fold_row(tilt_deg: float, box: float = BOX) -> float:
    """Returns the source row that the published perspective sends to infinity: s / (2 tan(tilt)).

    Args:
        tilt_deg: In degrees.
        box: s, in pixels.

    Example:
        >>> round(fold_row(20.0), 1), round(fold_row(10.0), 1), fold_row(0.0)
        (335.2, 691.9, inf)
    """
    t = math.tan(math.radians(tilt_deg))
    return box / (2 * t) if t else math.inf


def published_shift(images_nchw: Tensor, theta_n3: Tensor, *, box: float = BOX) -> Tensor:
    """Shifts pictures as the published code does, at the size that they are stored with.

    Args:
        images_nchw: In [0, 1], (N, C, H, W).
        theta_n3: Brightness factor, rotation in degrees and tilt in degrees, (N, 3).
        box: Side of the box whose corners are dragged, in pixels.

    Returns:
        In [0, 1], (N, C, H, W).

    Example:
        >>> images = torch.rand(1, 1, 6, 6)
        >>> torch.allclose(published_shift(images, torch.tensor([[1.0, 0.0, 0.0]])), images, atol=1e-5)
        True
    """
    height, width = images_nchw.shape[-2:]
    lit = brightness(images_nchw, theta_n3[:, 0])
    turn = geometric.homography(["rotation"], theta_n3[:, 1:2].double(), height, width)
    turned = geometric.warp(lit, turn, interpolation="nearest")
    inverse = torch.linalg.inv(corner_homography(theta_n3[:, 2], box))
    return _pressed(turned, inverse / inverse[:, 2:, 2:])


def dragged_shift(images_nchw: Tensor, theta_n3: Tensor) -> Tensor:
    """Shifts pictures as the audits do, but with the published drag in the place of the turned plane.

    The box is the picture itself, and rotation and drag are one bilinear resampling, so that the drag alone differs.

    Args:
        images_nchw: In [0, 1], (N, C, H, H).
        theta_n3: Brightness factor, rotation in degrees and tilt in degrees, (N, 3).

    Returns:
        In [0, 1], (N, C, H, H).
    """
    height, width = images_nchw.shape[-2:]
    turn = geometric.homography(["rotation"], theta_n3[:, 1:2].double(), height, width)
    centre = torch.eye(3, dtype=torch.float64)
    centre[:2, 2] = -torch.tensor([width, height], dtype=torch.float64) / 2
    drag = centre @ corner_homography(theta_n3[:, 2], height) @ torch.linalg.inv(centre)
    return geometric.warp(brightness(images_nchw, theta_n3[:, 0]), drag @ turn)


def _pressed(images_nchw: Tensor, inverse_n33: Tensor) -> Tensor:
    """Looks every pixel up through the inverse, also beyond the horizon, where the picture folds over."""
    height, width = images_nchw.shape[-2:]
    x = torch.arange(width, dtype=torch.float64) + 0.5
    y = (torch.arange(height, dtype=torch.float64) + 0.5)[:, None]
    g = inverse_n33[..., None, None]
    u, v, w = (g[:, k, 0] * x + g[:, k, 1] * y + g[:, k, 2] for k in range(3))
    w = torch.where(w.abs() < _NEAR_ZERO, torch.full_like(w, _NEAR_ZERO), w)
    grid = torch.stack([2 * u / w / width - 1, 2 * v / w / height - 1], dim=-1)
    grid = grid.clamp(-1e3, 1e3).to(images_nchw.dtype)
    return functional.grid_sample(images_nchw, grid, padding_mode="zeros", align_corners=False).clamp_(0, 1)
