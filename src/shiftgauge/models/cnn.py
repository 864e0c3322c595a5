"""The plain convolutional networks of the eye-state study."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.models.parseval_layers import FIRST_ITERATIONS, SCALINGS, ConvScaling, ScaledConv2d

CnnVariant: TypeAlias = Literal["model_3", "model_2", "basemodel"]
CnnInit: TypeAlias = Literal["glorot", "orthogonal"]

PUBLISHED_CNN: Final[Mapping[str, Any]] = MappingProxyType({"bn_momentum": 0.01, "bn_epsilon": 1e-3})
"""Arguments of `SmallCnn` as Keras has them by default, and so the published code."""
_WIDTHS: Final = {"basemodel": (), "model_2": (128,), "model_3": (128, 256)}
_SIDES: Final = {"basemodel": 14, "model_2": 6, "model_3": 2}


class SmallCnn(nn.Module):
    """A convolutional network for images of 32×32 with two, three or four convolutions.

    Convolutions of 32 and 64 channels, pooling and batch normalisation; then, for `model_2` one convolution of 128 and
    for `model_3` two of 128 and 256 channels, each with pooling and batch normalisation; one linear layer on all values
    that are left (14×14×64, 6×6×128 or 2×2×256). Every convolution is 3×3 without padding, with bias and ReLU; every
    pooling takes the largest of 2×2. Images of another size are averaged to the same number of values before the linear
    layer, which changes nothing at 32×32.

    Args:
        n_classes: Outputs, ≥ 1; default 10.
        channels: Channels of the images, ≥ 1; default 3.
        variant: `model_3` (default), `model_2` or `basemodel`, as the published code calls them.
        bn_momentum: Share of the latest batch in the running statistics, in [0, 1]; default 0.1, published 0.01.
        bn_epsilon: What is added to the variance, > 0; default 1e-5, published 1e-3.
        init: `glorot` (uniform) or `orthogonal` convolutions, for a Parseval network.
        scaling: `none`; `windows` or `measured` divides each convolution, see `ScaledConv2d`. The published Parseval
            variant is orthogonal without a scale.
        image_size: Rows and columns of the images for which `measured` takes norms, ≥ 24; default 32.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> net = SmallCnn(n_classes=4, channels=1).eval()
        >>> sum(p.numel() for p in net.parameters()), tuple(net(torch.zeros(1, 1, 32, 32)).shape)
        (392836, (1, 4))
    """

    def __init__(
        self,
        *,
        n_classes: int = 10,
        channels: int = 3,
        variant: CnnVariant = "model_3",
        bn_momentum: float = 0.1,
        bn_epsilon: float = 1e-5,
        init: CnnInit = "glorot",
        scaling: ConvScaling = "none",
        image_size: int = 32,
    ) -> None:
        super().__init__()
        require_in("`variant` of a small convolutional network", variant, get_args(CnnVariant))
        require_in("`scaling`", scaling, SCALINGS)
        require_positive_int("image_size", image_size, low=24)
        norm = partial(
            nn.BatchNorm2d,
            momentum=require_range("bn_momentum", bn_momentum, 0, 1),
            eps=require_range("bn_epsilon", bn_epsilon, 1e-12, 1),
        )
        first, size = _convolution(channels, 32, scaling, image_size), (image_size - 4) // 2
        second = _convolution(32, 64, scaling, image_size - 2)
        self.block1 = nn.Sequential(*first, *second, nn.MaxPool2d(2), norm(64))
        width = 64
        for number, wider in enumerate(_WIDTHS[variant], start=2):
            layers = (*_convolution(width, wider, scaling, size), nn.MaxPool2d(2), norm(wider))
            self.add_module(f"block{number}", nn.Sequential(*layers))
            width, size = wider, (size - 2) // 2
        side = _SIDES[variant]
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Linear(width * side * side, n_classes)
        _start(self, init)

    def forward(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Normalised images (N, C, H, W), H and W ≥ 24 for `model_3` → logits (N, n_classes)."""
        features = images_nchw
        for name, block in self.named_children():
            if name.startswith("block"):
                features = block(features)
        return self.classifier(self.pool(features).flatten(1))


def _start(network: SmallCnn, init: CnnInit) -> None:
    require_in("`init` of a small convolutional network", init, get_args(CnnInit))
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            orthogonal = init == "orthogonal" and isinstance(module, nn.Conv2d)
            (nn.init.orthogonal_ if orthogonal else nn.init.xavier_uniform_)(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, ScaledConv2d):
            module.refresh(FIRST_ITERATIONS)


def _convolution(width: int, wider: int, scaling: ConvScaling, size: int) -> tuple[nn.Module, nn.Module]:
    if scaling == "none":
        return nn.Conv2d(width, wider, 3), nn.ReLU(inplace=True)
    return ScaledConv2d(width, wider, 3, scaling=scaling, size=size), nn.ReLU(inplace=True)
