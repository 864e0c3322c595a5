"""The blocks of a wide residual network, and the parts that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.models.parseval_layers import (
    SCALINGS,
    ConvexAggregation,
    ConvScaling,
    MeanOnlyBatchNorm2d,
    ScaledConv2d,
)

Normalisation: TypeAlias = Literal["batch", "mean_only", "none"]
GammaInit: TypeAlias = Literal["ones", "uniform"]
StridePadding: TypeAlias = Literal["symmetric", "end"]
Aggregation: TypeAlias = Literal["sum", "simplex", "sigmoid"]
Aggregated: TypeAlias = Literal["all", "identity"]


@dataclass(frozen=True, kw_only=True)
class BlockParts:
    """Makes convolutions, normalisations and aggregations, all alike within a network.

    Args:
        normalisation: `batch`, `mean_only` or `none`.
        momentum: Share of the latest batch in the running statistics.
        gamma_init: `ones` or `uniform`.
        stride_padding: `symmetric` or `end`.
        scaling: `none`, `windows` or `measured`.
        aggregation: `sum`, `simplex` or `sigmoid`.
        aggregated: `all` or `identity`.
        dropout: Between the two convolutions of an identity block.
        image_size: Rows and columns that measured norms are for.

    Raises:
        ConfigError: An unknown word or a number outside its range.
    """

    normalisation: Normalisation
    momentum: float
    gamma_init: GammaInit
    stride_padding: StridePadding
    scaling: ConvScaling
    aggregation: Aggregation
    aggregated: Aggregated
    dropout: float
    image_size: int

    def __post_init__(self) -> None:
        require_in("`normalisation`", self.normalisation, get_args(Normalisation))
        require_in("`gamma_init`", self.gamma_init, get_args(GammaInit))
        require_in("`stride_padding`", self.stride_padding, get_args(StridePadding))
        require_in("`scaling`", self.scaling, SCALINGS)
        require_in("`aggregation`", self.aggregation, get_args(Aggregation))
        require_in("`aggregated`", self.aggregated, get_args(Aggregated))
        require_range("bn_momentum", self.momentum, 0, 1)
        require_range("block_dropout", self.dropout, 0, 1)
        require_positive_int("image_size", self.image_size)

    def convolution(self, width: int, wider: int, kernel: int, stride: int = 1, shrunk: int = 1) -> nn.Conv2d:
        """A convolution without bias that keeps the size, or divides it by the stride; its input is `shrunk` times."""
        padding = 0 if self._pads_apart(kernel, stride) else kernel // 2
        if self.scaling == "none":
            return nn.Conv2d(width, wider, kernel, stride=stride, padding=padding, bias=False)
        size = -(-self.image_size // shrunk) + (1 if self._pads_apart(kernel, stride) else 0)
        options = {"stride": stride, "padding": padding, "bias": False}
        return ScaledConv2d(width, wider, kernel, **options, scaling=self.scaling, size=size)

    def padding(self, kernel: int, stride: int) -> nn.Module:
        """The zeros that stand before a convolution whose own are not alike on all sides."""
        return nn.ZeroPad2d((0, 1, 0, 1)) if self._pads_apart(kernel, stride) else nn.Identity()

    def norm(self, channels: int) -> nn.Module:
        """A normalisation of so many channels."""
        if self.normalisation == "none":
            return nn.Identity()
        if self.normalisation == "mean_only":
            return MeanOnlyBatchNorm2d(channels, self.momentum)
        found = nn.BatchNorm2d(channels, momentum=self.momentum)
        if self.gamma_init == "uniform":
            nn.init.uniform_(found.weight, -0.05, 0.05)
        return found

    def aggregate(self, *, identity: bool) -> ConvexAggregation | None:
        """What joins the two branches of a block; None for a plain sum."""
        if self.aggregation == "sum" or (self.aggregated == "identity" and not identity):
            return None
        return ConvexAggregation(form=self.aggregation)

    def _pads_apart(self, kernel: int, stride: int) -> bool:
        return self.stride_padding == "end" and kernel == 3 and stride == 2


class WideningBlock(nn.Module):
    """Changes width and size: conv–norm–ReLU–conv beside a 1×1 convolution, of features that are normalised already.

    Args:
        parts: Makes its layers.
        width: Channels of the input.
        wider: Channels of the output.
        stride: 1 or 2.
        shrunk: How many times smaller than an image its input is.
    """

    def __init__(self, parts: BlockParts, width: int, wider: int, stride: int, shrunk: int) -> None:
        super().__init__()
        self.pad = parts.padding(3, stride)
        self.conv1 = parts.convolution(width, wider, 3, stride, shrunk)
        self.norm = parts.norm(wider)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = parts.convolution(wider, wider, 3, 1, shrunk * stride)
        self.skip = parts.convolution(width, wider, 1, stride, shrunk)
        self.aggregate = parts.aggregate(identity=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, width, H, W) → (N, wider, H / stride, W / stride)."""
        inner = self.conv2(self.relu(self.norm(self.conv1(self.pad(features)))))
        skip = self.skip(features)
        return inner + skip if self.aggregate is None else self.aggregate(skip, inner)


class IdentityBlock(nn.Module):
    """Keeps width and size: norm–ReLU–conv–norm–ReLU–conv beside the identity.

    Args:
        parts: Makes its layers.
        width: Channels.
        shrunk: How many times smaller than an image its input is.
    """

    def __init__(self, parts: BlockParts, width: int, shrunk: int) -> None:
        super().__init__()
        self.norm1 = parts.norm(width)
        self.relu1 = nn.ReLU()  # not in place: without a normalisation it would change the other branch
        self.conv1 = parts.convolution(width, width, 3, 1, shrunk)
        self.dropout = nn.Dropout(parts.dropout) if parts.dropout else nn.Identity()
        self.norm2 = parts.norm(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = parts.convolution(width, width, 3, 1, shrunk)
        self.aggregate = parts.aggregate(identity=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, width, H, W) → the same shape."""
        inner = self.dropout(self.conv1(self.relu1(self.norm1(features))))
        inner = self.conv2(self.relu2(self.norm2(inner)))
        return features + inner if self.aggregate is None else self.aggregate(features, inner)


def group(parts: BlockParts, width: int, wider: int, stride: int, n_blocks: int, shrunk: int) -> nn.Sequential:
    """A block that changes the width, further ones beside the identity, normalisation and ReLU."""
    first = WideningBlock(parts, width, wider, stride, shrunk)
    further = (IdentityBlock(parts, wider, shrunk * stride) for _ in range(n_blocks - 1))
    return nn.Sequential(first, *further, parts.norm(wider), nn.ReLU(inplace=True))
