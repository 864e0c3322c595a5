"""What is done to an image between steps of an ascent (blur), and how the network looks at it (jitter, scale, grey)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.random import generator


class Operator(Protocol):
    """r(x): takes the place of x in a step, so that it stays in the image."""

    def apply(self, images_nchw: torch.Tensor, step: int) -> torch.Tensor:
        """Images (n, C, H, W) → the same with the operator applied, at a step that counts from 0."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        ...


class View(Protocol):
    """τ(x): how the network looks at x for one step; the gradient is carried back through it, the image stays put."""

    def look(self, images_nchw: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """Images (n, C, H, W) → what the network sees, inside their autograd graph, the same change for all n."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        ...


@dataclass(frozen=True, kw_only=True)
class GaussianBlur:
    r"""Operator r(x): a convolution with a Gaussian, edges repeated; it damps what changes within few pixels.

    $$ r(x) = g_\sigma * x, \qquad g_\sigma(k) \propto \exp(-k^2 / 2\sigma^2), \; |k| \le \lceil 3\sigma \rceil $$

    Args:
        sigma_px: Standard deviation in pixels, > 0; default 0.5.
        every: Applied at every so many steps, ≥ 1, the first one included; default 1.

    Raises:
        ConfigError: A number outside its range.

    Example:
        >>> blurred = GaussianBlur(sigma_px=1.0).apply(torch.ones(1, 3, 8, 8), 0)
        >>> bool(torch.allclose(blurred, torch.ones(1, 3, 8, 8)))
        True

    References:
        Yosinski, J.; Clune, J.; Nguyen, A.; Fuchs, T.; Lipson, H. (2015). Understanding neural networks through deep
        visualization. arXiv:1506.06579
    """

    sigma_px: float = 0.5
    every: int = 1

    def __post_init__(self) -> None:
        if require_range("sigma_px", self.sigma_px, 0) == 0:
            raise ConfigError("`sigma_px` must be above 0, got 0; leave the operator out for no blur")
        require_positive_int("every", self.every)

    def apply(self, images_nchw: torch.Tensor, step: int) -> torch.Tensor:
        """Images (n, C, H, W) → blurred ones at every `every`-th step, else the same."""
        if step % self.every:
            return images_nchw
        radius = math.ceil(3 * self.sigma_px)
        places = torch.arange(-radius, radius + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (places / self.sigma_px) ** 2)
        line = (kernel / kernel.sum()).to(images_nchw)
        n, channels, height, width = images_nchw.shape
        flat = images_nchw.reshape(n * channels, 1, height, width)
        flat = functional.conv2d(functional.pad(flat, (radius, radius, 0, 0), mode="replicate"), line.view(1, 1, 1, -1))
        flat = functional.conv2d(functional.pad(flat, (0, 0, radius, radius), mode="replicate"), line.view(1, 1, -1, 1))
        return flat.reshape(images_nchw.shape)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        return {"name": "gaussian_blur", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """View: the image shifted by a random whole number of pixels in each direction, what leaves coming in opposite.

    Args:
        pixels: Largest shift, ≥ 1; default 2.

    Raises:
        ConfigError: A number outside its range.

    References:
        Mordvintsev, A.; Olah, C.; Tyka, M. (2015). Inceptionism: going deeper into neural networks. Google Research
        blog.
    """

    pixels: int = 2

    def __post_init__(self) -> None:
        require_positive_int("pixels", self.pixels)

    def look(self, images_nchw: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """Images (n, C, H, W) → shifted ones; the shift depends on seed and step alone."""
        drawn = generator(seed, "explain", "jitter", step).integers(-self.pixels, self.pixels + 1, size=2)
        return images_nchw.roll((int(drawn[0]), int(drawn[1])), dims=(2, 3))

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        return {"name": "jitter", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """View: the image enlarged or shrunk about its centre by a random factor, its size kept, edges mirrored.

    Args:
        low: Smallest factor, > 0; default 0.9.
        high: Largest factor, ≥ `low`; default 1.1. The logarithm of the factor is uniform.

    Raises:
        ConfigError: A number outside its range.

    References:
        Olah, C.; Mordvintsev, A.; Schubert, L. (2017). Feature visualization. Distill. doi:10.23915/distill.00007
    """

    low: float = 0.9
    high: float = 1.1

    def __post_init__(self) -> None:
        require_range("low", self.low, 0.1, 10)
        require_range("high", self.high, self.low, 10)

    def look(self, images_nchw: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """Images (n, C, H, W) → scaled ones; the factor depends on seed and step alone."""
        factor = math.exp(generator(seed, "explain", "scale", step).uniform(math.log(self.low), math.log(self.high)))
        matrix = images_nchw.new_tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]]).expand(len(images_nchw), 2, 3)
        grid = functional.affine_grid(matrix, list(images_nchw.shape), align_corners=False)
        return functional.grid_sample(images_nchw, grid, padding_mode="reflection", align_corners=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        return {"name": "scale", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Grey:
    r"""View: every channel is the mean of the channels, $p_c \to \frac{1}{C} \sum_k p_k$, for images without colour.

    A network of three channels that was trained on grey images has slopes that differ between colours, and an ascent
    through it ends in colours that no image of its data has. Through this view all channels have the same slope.

    Example:
        >>> [round(v, 3) for v in Grey().look(torch.tensor([0.0, 0.3, 0.9]).view(1, 3, 1, 1), 0, 0).flatten().tolist()]
        [0.4, 0.4, 0.4]
    """

    def look(self, images_nchw: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """Images (n, C, H, W) → the same without colour."""
        del step, seed  # nothing is drawn
        return images_nchw.mean(dim=1, keepdim=True).expand_as(images_nchw)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        return {"name": "grey", **asdict(self)}
