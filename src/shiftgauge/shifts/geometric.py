"""Geometric shifts: the pose of a pictured plane before one pinhole camera, and one resampling.

The image is a picture on a plane that faces the camera. Its own pixel frame has the origin at the image's
centre, x to the right, y down, z away from the camera, all in pixels. Every geometric shift moves the plane in
space (`motion`); the moves are multiplied in order, and the camera then takes one picture of the outcome. So
tilt after pan is a plane turned twice, not a picture of a picture.

The camera stands at the distance f = (longer side / 2) / tan(field of view / 2), at which a facing plane is
pictured at its own size. Because f grows with the image, the outcome does not depend on the resolution; because
it is set by the longer side, neither does it on the image being upright or lying.

Pixel (row i, column j) is the unit square whose centre lies at (j + 1/2, i + 1/2); the picture is W wide and H
high (torch's align_corners=False). A constant fill is met over the last half pixel by interpolation, as if the
picture were laid in a sea of that value.

Published studies drag the corners of a box of fixed size instead; that is unlike on the two sides of 0, and folds
pictures larger than the box over. Here tilt is an angle of the plane, the same for every image size, and a pixel
that looks past the plane's horizon sees the fill.

Only `scale` below 1 is smoothed before resampling (see `minification_sigma`); the mild foreshortening of tilt and
pan is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

FILLS: Final[dict[str, str]] = {"constant": "zeros", "edge": "border", "reflect": "reflection"}
"""What lies outside the picture → torch's name for it."""

_FARTHEST: Final = 1e-4
"""A pixel that looks past the plane's horizon is treated as looking at a place f/1e-4 away."""


def focal_length(height: int, width: int, field_of_view_deg: float = 53.0) -> float:
    """Returns the distance of the camera, f = max(H, W) / 2 / tan(fov / 2), in pixels.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        field_of_view_deg: Angle under which the camera sees the longer side, degrees in (0, 180).

    Example:
        >>> round(focal_length(224, 224, 90.0), 6)
        112.0
    """
    return max(height, width) / 2 / math.tan(math.radians(field_of_view_deg) / 2)


def motion(name: str, value_n: Tensor, height: int, width: int) -> Tensor:
    """Returns how one shift moves the points of space, as 4 × 4 matrices.

    Args:
        name: A geometric shift of the catalogue.
        value_n: Values of the shift, (N,) float64.
        height: Rows of the image (translate_y counts in heights).
        width: Columns of the image (translate_x counts in widths).

    Returns:
        (N, 4, 4) float64, acting on columns (x, y, z, 1).

    Example:
        >>> motion("translate_x", torch.tensor([0.5], dtype=torch.float64), 10, 20)[0, 0].tolist()
        [1.0, 0.0, 0.0, 10.0]
    """
    if name == "translate_x":
        return _matrices({(0, 3): value_n * width}, value_n)
    if name == "translate_y":
        return _matrices({(1, 3): value_n * height}, value_n)
    if name == "scale":
        return _matrices({(0, 0): value_n, (1, 1): value_n, (2, 2): value_n}, value_n)
    angle = torch.deg2rad(value_n)
    if name in ("shear_x", "shear_y"):
        return _matrices({(0, 1) if name == "shear_x" else (1, 0): angle.tan()}, value_n)
    cos, sin = angle.cos(), angle.sin()
    if name == "rotation":
        return _matrices({(0, 0): cos, (0, 1): sin, (1, 0): -sin, (1, 1): cos}, value_n)
    if name == "tilt":
        return _matrices({(1, 1): cos, (1, 2): sin, (2, 1): -sin, (2, 2): cos}, value_n)
    return _matrices({(0, 0): cos, (0, 2): -sin, (2, 0): sin, (2, 2): cos}, value_n)


def homography(
    names: Sequence[str], theta_np: Tensor, height: int, width: int, field_of_view_deg: float = 53.0
) -> Tensor:
    """Returns the homography that all the shifts of a row make together.

    With M = M_k … M_1 the product of the motions, a plane point (x, y) is pictured at
    f (X, Y) / (f + Z), (X, Y, Z) = M (x, y, 0).

    Args:
        names: Geometric shifts in the order in which they act.
        theta_np: Their values, (N, P) float64, columns as `names`.
        height: Rows of the image.
        width: Columns of the image.
        field_of_view_deg: Angle under which the camera sees the longer side.

    Returns:
        (N, 3, 3) float64; maps centred source pixels to centred pictured pixels.

    Example:
        >>> theta = torch.tensor([[90.0]], dtype=torch.float64)
        >>> (homography(["rotation"], theta, 8, 8)[0] @ torch.tensor([1.0, 0, 1]).double()).round().abs().tolist()
        [0.0, 1.0, 1.0]
    """
    pose = torch.eye(4, dtype=torch.float64, device=theta_np.device).expand(len(theta_np), 4, 4)
    for column, name in enumerate(names):
        pose = motion(name, theta_np[:, column], height, width) @ pose
    f = focal_length(height, width, field_of_view_deg)
    plane = pose[:, :3, (0, 1, 3)]
    depth = plane[:, 2] / f + torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64, device=theta_np.device)
    return torch.stack([plane[:, 0], plane[:, 1], depth], dim=1)


def minification_sigma(scale_n: Tensor) -> Tensor:
    """Returns the smoothing before a reduction, σ = max(0, (1/s − 1) / 2), in source pixels.

    The rule of scikit-image's `resize`: it keeps detail finer than the new pixels from folding back. At
    s ≥ 0.75 it is too small to change anything.

    Args:
        scale_n: Values of `scale`, (N,).

    Example:
        >>> minification_sigma(torch.tensor([0.25, 1.0, 3.0])).tolist()
        [1.5, 0.0, 0.0]
    """
    return ((1 / scale_n - 1) / 2).clamp_min(0)


def warp(
    images_nchw: Tensor,
    homography_n33: Tensor,
    *,
    fill: str = "constant",
    fill_value: float = 0.0,
    interpolation: str = "bilinear",
) -> Tensor:
    """Resamples each image once under its homography.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        homography_n33: Source → picture in centred pixels, (N, 3, 3) float64, such as `homography` returns.
        fill: Outside the picture: `constant`, `edge` (nearest pixel), `reflect` (d c b a | a b c d | d c b a).
        fill_value: The constant, in [0, 1].
        interpolation: `bilinear`, `bicubic` or `nearest`.

    Returns:
        (N, C, H, W) in [0, 1].

    Example:
        >>> image = torch.rand(1, 3, 8, 8)
        >>> turned = warp(image, homography(["rotation"], torch.full((1, 1), 90.0).double(), 8, 8))
        >>> torch.allclose(turned, torch.rot90(image, 1, (2, 3)), atol=1e-5)
        True
    """
    height, width = images_nchw.shape[-2:]
    grid = _grid(_inverse(homography_n33), height, width, images_nchw)
    shifted = fill == "constant" and fill_value != 0.0
    source = images_nchw - fill_value if shifted else images_nchw
    picture = functional.grid_sample(source, grid, mode=interpolation, padding_mode=FILLS[fill], align_corners=False)
    if torch.is_grad_enabled() and picture.requires_grad:
        return (picture + fill_value if shifted else picture).clamp(0, 1)
    if shifted:
        picture.add_(fill_value)
    return picture.clamp_(0, 1)


def _matrices(entries: dict[tuple[int, int], Tensor], value_n: Tensor) -> Tensor:
    one, zero = torch.ones_like(value_n), torch.zeros_like(value_n)
    cells = [entries.get((i, j), one if i == j else zero) for i in range(4) for j in range(4)]
    return torch.stack(cells, dim=-1).reshape(-1, 4, 4)


def _inverse(matrix_n33: Tensor) -> Tensor:
    """Inverse by cofactors, with its true sign: the third component is positive before the camera only."""
    a, b, c = matrix_n33.unbind(dim=2)
    rows = torch.stack([_cross(b, c), _cross(c, a), _cross(a, b)], dim=1)
    return rows / (a * rows[:, 0]).sum(dim=1)[:, None, None]


def _cross(a_n3: Tensor, b_n3: Tensor) -> Tensor:
    (a0, a1, a2), (b0, b1, b2) = a_n3.unbind(1), b_n3.unbind(1)
    return torch.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], dim=1)


def _grid(inverse_n33: Tensor, height: int, width: int, like: Tensor) -> Tensor:
    """Where each output pixel looks in the source, in torch's normalised coordinates, (N, H, W, 2)."""
    unit = torch.tensor([2 / width, 2 / height, 1.0], dtype=torch.float64, device=inverse_n33.device)
    g = (inverse_n33 * unit[:, None]).to(like.device, like.dtype)[..., None, None]
    x = torch.arange(width, device=like.device, dtype=like.dtype) + (0.5 - width / 2)
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + (0.5 - height / 2))[:, None]
    # Sums and products are rounded one at a time, so a row's grid is the same whatever rows stand beside it.
    u, v, w = (g[:, k, 0] * x + (g[:, k, 1] * y + g[:, k, 2]) for k in range(3))
    w = w.clamp_min(_FARTHEST)
    return torch.stack([u / w, v / w], dim=-1)
