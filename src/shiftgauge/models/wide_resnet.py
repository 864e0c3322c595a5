"""Wide residual networks for small images, plain or as Parseval networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.models.parseval_layers import FIRST_ITERATIONS, ConvScaling, ScaledConv2d
from shiftgauge.models.wide_blocks import (
    Aggregated,
    Aggregation,
    BlockParts,
    GammaInit,
    Normalisation,
    StridePadding,
    group,
)

KernelInit: TypeAlias = Literal["he", "orthogonal"]

PUBLISHED_WIDE_RESNET: Final[Mapping[str, Any]] = MappingProxyType(
    {"bn_momentum": 0.9, "gamma_init": "uniform", "stride_padding": "end"}
)
"""Arguments of `WideResNet` with the peculiarities of the published eye-state code: see there."""
PUBLISHED_PARSEVAL: Final[Mapping[str, Any]] = MappingProxyType(
    {**PUBLISHED_WIDE_RESNET, "scaling": "none", "aggregation": "sigmoid", "aggregated": "identity"}
)
"""The same for `parseval_network`: convolutions without a scale, λ a sigmoid, plain sums where the width changes."""


class WideResNet(nn.Module):
    """A wide residual network WRN-d-k: depth d = 6N + 4, width k, made for images of 32×32.

    A 3×3 stem of 16 channels with normalisation and ReLU; three groups of 16k, 32k and 64k channels with strides 1, 2
    and 2; the mean over the image; one linear layer. The first block of a group is conv–norm–ReLU–conv beside a 1×1
    convolution, N − 1 further blocks are norm–ReLU–conv–norm–ReLU–conv beside the identity; normalisation and ReLU end
    each group. No convolution has a bias. The mean over the image is the published 8×8 pooling at 32×32, and takes
    images of other sizes as well.

    Args:
        n_classes: Outputs, ≥ 1; default 10.
        channels: Channels of the images, ≥ 1; default 3.
        depth: d = 6N + 4 ≥ 10; default 16.
        width: k ≥ 1; default 1.
        block_dropout: Chance in [0, 1] that a value between the two convolutions of an identity block is dropped while
            training; default 0.
        normalisation: `batch`; `mean_only`, which takes the mean away and never enlarges (`MeanOnlyBatchNorm2d`); or
            `none`. A batch normalisation undoes a scaled convolution: its gain grows by as much.
        bn_momentum: Share of the latest batch in the running statistics, in [0, 1]; default 0.1. The published code
            has 0.1 in Keras' sense, which is 0.9 here: evaluation then rests on little but the last batch.
        gamma_init: First scales of a batch normalisation: `ones`, or the published `uniform` in [−0.05, 0.05].
        stride_padding: Where a 3×3 convolution of stride 2 has its zeros: `symmetric`, one on every side, or `end`,
            right and bottom alone, as the published code has it (TensorFlow's `same`; for an even size).
        init: `he` (normal, by inputs) or `orthogonal` convolutions.
        scaling: `none`; `windows` or `measured` divides each convolution, see `ScaledConv2d`.
        aggregation: How the two branches of a block meet: `sum`, or a trained convex combination, `simplex` or
            `sigmoid`, see `ConvexAggregation`.
        aggregated: Blocks with a convex combination: `all`, or those with an `identity` branch alone, as published.
        feature_scale: What the averaged features are multiplied by before the linear layer, > 0; default 1. A network
            that never enlarges gives outputs too small for a cross entropy to train on: with `mean_only` take 100,
            and an optimiser of the Adam kind. It counts in a certified bound.
        image_size: Rows and columns of the images for which `measured` takes norms, ≥ 1; default 32. Smaller images are
            enlarged by no more than those.

    Raises:
        ConfigError: A depth that is none, an unknown word, or a number outside its range.

    Example:
        >>> net = WideResNet(n_classes=4, channels=1)
        >>> sum(p.numel() for p in net.parameters()), sum(isinstance(m, nn.Conv2d) for m in net.modules())
        (174644, 16)
        >>> net.eval()(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 4])

    References:
        Zagoruyko, S.; Komodakis, N. (2016). Wide Residual Networks. arXiv:1605.07146

    Deviations from the paper:
        The paper normalises before every convolution; the first blocks here follow the published eye-state code, whose
        first convolution takes what the end of the last group has normalised. That code's L2 of 1e-4 adds 2e-4 W to
        the gradient, a `weight_decay` of 2e-4.
    """

    def __init__(
        self,
        *,
        n_classes: int = 10,
        channels: int = 3,
        depth: int = 16,
        width: int = 1,
        block_dropout: float = 0.0,
        normalisation: Normalisation = "batch",
        bn_momentum: float = 0.1,
        gamma_init: GammaInit = "ones",
        stride_padding: StridePadding = "symmetric",
        init: KernelInit = "he",
        scaling: ConvScaling = "none",
        aggregation: Aggregation = "sum",
        aggregated: Aggregated = "all",
        feature_scale: float = 1.0,
        image_size: int = 32,
    ) -> None:
        super().__init__()
        self.feature_scale = require_range("feature_scale", feature_scale, 1e-6, 1e6)
        parts = BlockParts(
            normalisation=normalisation,
            momentum=bn_momentum,
            gamma_init=gamma_init,
            stride_padding=stride_padding,
            scaling=scaling,
            aggregation=aggregation,
            aggregated=aggregated,
            dropout=block_dropout,
            image_size=image_size,
        )
        n, w = _blocks_of_a_group(depth), 16 * require_positive_int("width", width)
        self.stem = nn.Sequential(parts.convolution(channels, 16, 3), parts.norm(16), nn.ReLU(inplace=True))
        self.group1 = group(parts, 16, w, 1, n, 1)
        self.group2 = group(parts, w, 2 * w, 2, n, 1)
        self.group3 = group(parts, 2 * w, 4 * w, 2, n, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * w, n_classes)
        _start(self, init)

    def forward(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Normalised images (N, C, H, W) → logits (N, n_classes)."""
        features = self.group3(self.group2(self.group1(self.stem(images_nchw))))
        averages = self.pool(features).flatten(1)
        return self.classifier(averages if self.feature_scale == 1 else averages * self.feature_scale)


def _blocks_of_a_group(depth: int) -> int:
    if require_positive_int("depth", depth, low=10) % 6 != 4:
        raise ConfigError(f"`depth` must be 6N + 4 (10, 16, 22, 28, …), got {depth}")
    return (depth - 4) // 6


def _start(network: WideResNet, init: KernelInit) -> None:
    """The first weights of the convolutions and of the linear layer."""
    require_in("`init` of a wide residual network", init, get_args(KernelInit))
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and init == "orthogonal":
            nn.init.orthogonal_(module.weight)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if isinstance(module, ScaledConv2d):
            module.refresh(FIRST_ITERATIONS)
    nn.init.xavier_uniform_(network.classifier.weight)
    nn.init.zeros_(network.classifier.bias)


def parseval_network(
    *,
    n_classes: int = 10,
    channels: int = 3,
    depth: int = 16,
    width: int = 1,
    block_dropout: float = 0.0,
    normalisation: Normalisation = "batch",
    bn_momentum: float = 0.1,
    gamma_init: GammaInit = "ones",
    stride_padding: StridePadding = "symmetric",
    scaling: ConvScaling = "windows",
    aggregation: Aggregation = "simplex",
    aggregated: Aggregated = "all",
    feature_scale: float = 1.0,
    image_size: int = 32,
) -> WideResNet:
    """A wide residual network as a Parseval network: orthogonal, scaled convolutions and convex aggregation.

    To stay one it has to be trained with `parseval_projection` after each step of the optimiser. With `scaling: none`,
    `aggregation: sigmoid`, `aggregated: identity` and the momentum and scales of `PUBLISHED_PARSEVAL` it is the
    published one, whose layers are not 1-Lipschitz: their kernels are tight, their norms are up to 3.

    Args:
        n_classes: As of `WideResNet`, like all others.
        channels: Channels of the images.
        depth: 6N + 4.
        width: k.
        block_dropout: Between two convolutions.
        normalisation: `batch`, `mean_only` or `none`; a batch normalisation undoes the scaling.
        bn_momentum: Share of the latest batch in the running statistics.
        gamma_init: `ones` or `uniform`.
        stride_padding: `symmetric` or `end`.
        scaling: `windows` (default), `measured`, or `none` for the published, unscaled convolutions.
        aggregation: `simplex` (default), `sigmoid` or `sum`.
        aggregated: `all` (default) or `identity`.
        feature_scale: Before the linear layer.
        image_size: Of measured norms.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> net = parseval_network(n_classes=4, channels=1, **PUBLISHED_PARSEVAL)
        >>> sum(p.numel() for p in net.parameters()) - 174644  # one λ in each of three blocks
        3

    References:
        Cisse, M.; Bojanowski, P.; Grave, E.; Dauphin, Y.; Usunier, N. (2017). Parseval Networks: Improving Robustness
        to Adversarial Examples. arXiv:1704.08847
    """
    return WideResNet(
        n_classes=n_classes,
        channels=channels,
        depth=depth,
        width=width,
        block_dropout=block_dropout,
        normalisation=normalisation,
        bn_momentum=bn_momentum,
        gamma_init=gamma_init,
        stride_padding=stride_padding,
        init="orthogonal",
        scaling=scaling,
        aggregation=aggregation,
        aggregated=aggregated,
        feature_scale=feature_scale,
        image_size=image_size,
    )
