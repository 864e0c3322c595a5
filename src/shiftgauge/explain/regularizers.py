"""What an image is kept from while an activation is raised: variation from pixel to pixel, and size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import torch

from shiftgauge.checks import require_in, require_range

_REDUCTIONS = ("mean", "sum")


class Regularizer(Protocol):
    """A number R(x) ≥ 0 for each image, whose gradient is walked down."""

    @property
    def weight(self) -> float:
        """Factor of this regulariser in the sum of several."""
        ...

    def penalty(self, inputs_nchw: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) in the scale of the steps → R (n,), inside their autograd graph."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        ...


@dataclass(frozen=True, kw_only=True)
class TotalVariation:
    r"""Total variation: how much neighbouring pixels differ, in each channel by itself.

    $$ R_\text{anisotropic} = \sum |x_{i+1,j} - x_{ij}| + \sum |x_{i,j+1} - x_{ij}|, \qquad
       R_\text{isotropic} = \sum_{ij} \sqrt{(x_{i+1,j} - x_{ij})^2 + (x_{i,j+1} - x_{ij})^2} $$

    Beyond the last row and column a difference is 0. Where an isotropic term is 0 its gradient is taken as 0, so that a
    constant image has the penalty 0 and stays as it is.

    With `mean` each anisotropic sum is divided by its own number of differences, as published: C (H − 1) W and
    C H (W − 1); the isotropic one by C H W. A step of size ε then moves a pixel by at most about 4 ε / (C H W), which
    at ε = 0.1 and 32×32×3 is 0.0001 of the input scale and hardly acts. With `sum` the same step moves it by up to 4 ε;
    an ε of some 0.001 is then enough.

    Args:
        reduce: `mean` (default, as published) or `sum`.
        kind: `anisotropic` (default, as published) or `isotropic`.
        weight: Factor in the sum of several regularisers, ≥ 0.

    Raises:
        ConfigError: An unknown word or a negative weight.

    Example:
        >>> image = torch.zeros(1, 1, 4, 4)
        >>> image[0, 0, 1, 1] = 1
        >>> float(TotalVariation(reduce="sum").penalty(image))
        4.0

    References:
        Rudin, L. I.; Osher, S.; Fatemi, E. (1992). Nonlinear total variation based noise removal algorithms. Physica D
        60, 259-268. doi:10.1016/0167-2789(92)90242-F
        Mahendran, A.; Vedaldi, A. (2015). Understanding deep image representations by inverting them. CVPR.
        doi:10.1109/CVPR.2015.7299155
    """

    reduce: Literal["mean", "sum"] = "mean"
    kind: Literal["anisotropic", "isotropic"] = "anisotropic"
    weight: float = 1.0

    def __post_init__(self) -> None:
        require_in("reduce", self.reduce, _REDUCTIONS)
        require_in("kind", self.kind, ("anisotropic", "isotropic"))
        require_range("weight", self.weight, 0)

    def penalty(self, inputs_nchw: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) → total variation (n,), inside their autograd graph."""
        down, right = inputs_nchw.diff(dim=2), inputs_nchw.diff(dim=3)
        if self.kind == "anisotropic":
            return self._reduced(down.abs(), down[0].numel()) + self._reduced(right.abs(), right[0].numel())
        pad = torch.nn.functional.pad
        squared = pad(down, (0, 0, 0, 1)).square() + pad(right, (0, 1)).square()
        flat = squared == 0
        length = squared.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0)  # the root has no slope at 0
        return self._reduced(length, length[0].numel())

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        return {"name": "total_variation", **asdict(self)}

    def _reduced(self, values: torch.Tensor, count: int) -> torch.Tensor:
        total = values.flatten(1).sum(dim=1)
        return total / max(count, 1) if self.reduce == "mean" else total


@dataclass(frozen=True, kw_only=True)
class SquaredNorm:
    r"""The squared length of an image (L2): it draws every pixel towards 0 of the scale of the steps.

    $$ R = \sum x^2 \quad \text{or its mean} $$

    In the input scale 0 is the mean colour of the training images, in pixels it is black.

    Args:
        reduce: `mean` over channels and pixels, or `sum` (default).
        weight: Factor in the sum of several regularisers, ≥ 0.

    Raises:
        ConfigError: An unknown word or a negative weight.

    Example:
        >>> float(SquaredNorm().penalty(torch.full((1, 1, 2, 2), 3.0)))
        36.0

    References:
        Simonyan, K.; Vedaldi, A.; Zisserman, A. (2014). Deep inside convolutional networks: visualising image
        classification models and saliency maps. arXiv:1312.6034
    """

    reduce: Literal["mean", "sum"] = "sum"
    weight: float = 1.0

    def __post_init__(self) -> None:
        require_in("reduce", self.reduce, _REDUCTIONS)
        require_range("weight", self.weight, 0)

    def penalty(self, inputs_nchw: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W) → squared length (n,), inside their autograd graph."""
        squared = inputs_nchw.square().flatten(1)
        return squared.mean(dim=1) if self.reduce == "mean" else squared.sum(dim=1)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        return {"name": "squared_norm", **asdict(self)}
