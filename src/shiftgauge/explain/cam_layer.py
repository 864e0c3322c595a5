"""The layer that Grad-CAM looks at, chosen by a rule that is stated."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.blocks import list_blocks
from shiftgauge.models.capture import Recorder
from shiftgauge.models.torch_model import TorchClassifier

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def cam_layer(network: TorchClassifier, images_nchw: torch.Tensor) -> str:
    """Finds the last convolutional layer, together with what directly follows it.

    The rule: of the convolutions that are run, the last one whose output has more than one position; then the last
    part of the network behind it that gives a map of the same height and width and is no pooling. That is the
    convolution after its normalisation, residual addition and activation: the rectified map of the publication in a
    VGG (the layer before the last pooling), the whole last stage in a ResNet, where a bare convolution would leave out
    the residual path.

    A transformer has its only convolution in front: its map is that of the first layer, which knows little of classes.
    So a convolution is refused where more layers with weights keep positions behind it than up to it.

    Args:
        network: A torch network as a classifier.
        images_nchw: At least one image of its input shape.

    Returns:
        Its module path.

    Raises:
        ModelError: No convolution of the network gives a map, or only one that stands early in the network.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2))
        >>> p = Preprocessing(height=8, width=8, channels=1)
        >>> cam_layer(TorchClassifier(net, preprocessing=p, device=torch.device("cpu")), torch.rand(1, 1, 8, 8))
        '1'
    """
    modules = {name: part for name, part in network.module.named_modules() if name}
    runs: list[tuple[str, tuple[int, ...]]] = []

    def keep(name: str, output: Any) -> None:
        runs.append((name, tuple(output.shape) if isinstance(output, torch.Tensor) else ()))

    with torch.no_grad(), Recorder(network.module, list(modules)).into(keep):
        network.logits_with_grad(images_nchw[:1])
    times = Counter(name for name, _ in runs)
    maps = [
        (i, name, shape[2:])
        for i, (name, shape) in enumerate(runs)
        if len(shape) == 4 and times[name] == 1 and prod(shape[2:]) > 1
    ]
    places = [k for k, (_, name, _) in enumerate(maps) if isinstance(modules[name], nn.Conv2d)]
    if not places:
        raise ModelError(
            "no convolution of the network gives a map of more than one position, so Grad-CAM has no layer of its own; "
            "name one by `layer`"
        )
    when, last, size = maps[places[-1]]
    layers = [i for i, (name, shape) in enumerate(runs) if _keeps_positions(modules[name], shape)]
    before = sum(i <= when for i in layers)
    if before < len(layers) - before:
        raise ModelError(
            f"the last convolution `{last}` is layer {before} of {len(layers)} that keep positions, too early for "
            "Grad-CAM to tell classes apart; leave Grad-CAM out, or name a layer by `layer`"
        )
    behind = [name for _, name, shape in maps[places[-1] :] if shape == size and not isinstance(modules[name], _POOLS)]
    return behind[-1]


def _keeps_positions(part: nn.Module, shape: tuple[int, ...]) -> bool:
    """Tells whether a part mixes values by weights of its own and gives more than one position for an image."""
    if not any(p.ndim > 1 for p in part.parameters(recurse=False)):
        return False
    return prod(shape[2:] if isinstance(part, nn.Conv2d) else shape[1:-1]) > 1


def require_cam_layer(network: TorchClassifier, layer: str, images_nchw: torch.Tensor) -> str:
    """Returns the name of a layer when it gives one map for each image, channels first.

    Args:
        network: A torch network as a classifier.
        layer: Module path.
        images_nchw: At least one image of its input shape.

    Raises:
        ModelError: An unknown layer, with the nearest name, or one that gives something else.
    """
    device = next((p.device for p in network.module.parameters()), images_nchw.device)
    (block,) = list_blocks(network.module, network.preprocessing.normalise(images_nchw[:1].to(device)), [layer])
    if len(block.shape) != 3 or block.channel_axis != 0:
        raise ModelError(
            f"Grad-CAM needs a layer that gives a map (channels, height, width), but `{layer}` gives {block.shape}; "
            "name a convolutional layer"
        )
    return layer
