"""The networks of the studies as a table: how each is made, and what its weights were made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from torch import nn

from shiftgauge.models.backbones import EFFICIENTNET_LITE0_PREPROCESSING, efficientnet_lite0_network
from shiftgauge.models.cnn import SmallCnn
from shiftgauge.models.engine_module import engine_network
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.resnet import SmallResNet
from shiftgauge.models.vgg import SmallVgg
from shiftgauge.models.wide_resnet import WideResNet, parseval_network


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network that can be built for any number of classes and channels.

    Args:
        summary: What it is, in a few words.
        make: Gives the network for `n_classes`, `channels` and arguments of its own; None for timm's of that name.
        heads: Module paths of the linear layers that give the classes; empty to ask timm.
        first: Module path of the first convolution; empty to ask timm.
        preprocessing: Size and normalisation that its weights, or its study, were made for; None to ask timm.
        packaged: Gives the network with weights that an installed package brings; None where there is none.
    """

    summary: str
    make: Callable[..., nn.Module] | None = None
    heads: tuple[str, ...] = ()
    first: str = ""
    preprocessing: Preprocessing | None = None
    packaged: Callable[[], nn.Module] | None = None


_SMALL = Preprocessing(height=32, width=32, mean=(0.5,), std=(0.5,))

ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "resnet18": Architecture(summary="ResNet-18 for 224×224 (weld study)"),
        "resnet50": Architecture(summary="ResNet-50 for 224×224 (glass study)"),
        "efficientnet_b3": Architecture(summary="EfficientNet-B3 (glass study, at 336×336 there)"),
        "vgg16": Architecture(summary="VGG-16 for 224×224"),
        "vgg16_bn": Architecture(summary="VGG-16 with batch normalisation for 224×224 (lung-ultrasound study)"),
        "vgg16_small": Architecture(
            summary="VGG-16 with batch normalisation for 32×32 (CIFAR-10 study)",
            make=SmallVgg,
            heads=("classifier.6",),
            first="block1.0",
            preprocessing=_SMALL,
        ),
        "resnet18_small": Architecture(
            summary="ResNet-18 for 32×32 (CIFAR-10 study)",
            make=SmallResNet,
            heads=("fc",),
            first="stem.0",
            preprocessing=_SMALL,
        ),
        "wide_resnet_small": Architecture(
            summary="wide residual network WRN-16-1 for 32×32, or another depth and width (eye-state study)",
            make=WideResNet,
            heads=("classifier",),
            first="stem.0",
            preprocessing=_SMALL,
        ),
        "parseval_resnet_small": Architecture(
            summary="the same as a Parseval network: orthogonal, scaled, convex sums (eye-state study)",
            make=parseval_network,
            heads=("classifier",),
            first="stem.0",
            preprocessing=_SMALL,
        ),
        "cnn_small": Architecture(
            summary="four convolutions and a linear layer for 32×32 (eye-state study)",
            make=SmallCnn,
            heads=("classifier",),
            first="block1.0",
            preprocessing=_SMALL,
        ),
        "engine": Architecture(
            summary="layers of shiftgauge.engine, without automatic differentiation; by default those of the glass "
            "study's defect detector for grey 128×128",
            make=engine_network,
            preprocessing=Preprocessing(height=128, width=128, channels=1, mean=(0.5,), std=(0.5,)),
        ),
        "tf_efficientnet_lite0": Architecture(
            summary="EfficientNet-Lite0 for 224×224; its ImageNet weights come with the extra `demo`",
            preprocessing=EFFICIENTNET_LITE0_PREPROCESSING,
            packaged=efficientnet_lite0_network,
        ),
    }
)
"""The networks of the studies. Every other name of timm's goes as well."""
