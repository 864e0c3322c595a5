"""The networks that can be trained: those of the studies, and every architecture of timm by its name."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int, require_range, unknown_name
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.adapt import WAYS, FirstConvolution, replace_head, transfer_weights
from shiftgauge.models.architecture_table import ARCHITECTURES, Architecture
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.timm_networks import require_timm_name, timm_network, timm_paths, timm_preprocessing
from shiftgauge.models.weights import one_line, read_weights
from shiftgauge.random import stream_key

PACKAGED: Final = "packaged"
"""Stands for weights that an installed package brings."""
WEIGHTS_FILE: Final = "weights.safetensors"
"""The weights within a model folder."""
Pretrained: TypeAlias = bool | str | Path


@dataclass(frozen=True, kw_only=True)
class BuiltNetwork:
    """A network and what was done to make it.

    Args:
        network: The network, in training mode.
        notes: Sentences that say where its weights are from, what was adapted and what was left out.
        heads: Module paths of the linear layers that give the classes.
        first: Module path of the first convolution, `""` where it is not known.
    """

    network: nn.Module
    notes: tuple[str, ...]
    heads: tuple[str, ...] = field(default=())
    first: str = ""


def build_network(
    name: str,
    *,
    n_classes: int,
    channels: int = 3,
    pretrained: Pretrained = False,
    dropout: float = 0.0,
    first_convolution: FirstConvolution = "sum",
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> nn.Module:
    """Builds a network for a number of classes and channels, from trained weights where there are some.

    See `build` for what the arguments mean; this gives the network alone.

    Raises:
        ConfigError: An unknown architecture or argument, or a value outside its range.
        ModelError: Weights that cannot be had, cannot be read safely, or are of another architecture.
        MissingExtraError: The package with the weights is not installed.

    Example:
        >>> net = build_network("resnet18", n_classes=6, channels=1, dropout=0.5)
        >>> sum(p.numel() for p in net.parameters()), tuple(net.conv1.weight.shape)
        (11173318, (64, 1, 7, 7))
    """
    return build(
        name,
        n_classes=n_classes,
        channels=channels,
        pretrained=pretrained,
        dropout=dropout,
        first_convolution=first_convolution,
        arguments=arguments,
        seed=seed,
    ).network


def build(
    name: str,
    *,
    n_classes: int,
    channels: int = 3,
    pretrained: Pretrained = False,
    dropout: float = 0.0,
    first_convolution: FirstConvolution = "sum",
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> BuiltNetwork:
    """Builds a network and says what was done to its weights.

    The network is made for the classes and channels asked for, every weight at random; then trained weights are copied
    into it by name. A head for another number of classes is left out; first-layer weights for other channels are
    summed, averaged or left out (see `adapt_first_convolution`).

    Args:
        name: A name of `ARCHITECTURES`, or any of timm's.
        n_classes: Outputs, ≥ 2.
        channels: Channels of the images, ≥ 1; default 3.
        pretrained: False (default) for random weights; True for those that timm publishes (downloaded once);
            `packaged` for those that an installed package brings; else the path of a safetensors file, a state dict,
            or a model folder.
        dropout: Chance that a feature is dropped before the last layer while training, in [0, 1); default 0.
        first_convolution: `sum` (default), `mean` or `new`.
        arguments: Further keyword arguments of the architecture, such as timm's `drop_path_rate`.
        seed: Decides the random weights, ≥ 0; default 0.

    Raises:
        ConfigError: An unknown architecture or argument, or a value outside its range.
        ModelError: Weights that cannot be had, cannot be read safely, or are of another architecture.
        MissingExtraError: The package with the weights is not installed.

    Example:
        >>> build("resnet18_small", n_classes=4).notes
        ('every weight starts at random',)
    """
    require_positive_int("n_classes", n_classes, low=2)
    require_positive_int("channels", channels)
    require_range("dropout", dropout, 0, 0.99)
    require_in("`first_convolution`", first_convolution, WAYS)
    known = _known(name)
    chosen = dict(arguments or {})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_key(seed, "network", name))
        network = _make(name, known, n_classes, channels, chosen)
        heads, first = known.heads or timm_paths(network, "classifier"), known.first
        first = first or "".join(timm_paths(network, "first_conv")[:1])
        if dropout > 0:
            _drop_before(network, name, heads, n_classes, dropout)
    notes: tuple[str, ...] = ("every weight starts at random",)
    if pretrained is not False:
        tensors, source = _trained_weights(name, known, pretrained, chosen)
        told = transfer_weights(network, tensors, heads=heads, first=first, how=first_convolution, source=source)
        notes = (f"the weights are those of {source}", *told)
    return BuiltNetwork(network=network.train(), notes=notes, heads=heads, first=first)


def default_preprocessing(name: str, *, channels: int = 3, size: int | tuple[int, int] | None = None) -> Preprocessing:
    """The preprocessing that an architecture's weights were trained with, for images that are squashed to its input.

    Nothing is cut off at the edge, where a defect may lie. For another number of channels than three, mean and standard
    deviation are the means of those of the colours.

    Args:
        name: A name of `ARCHITECTURES`, or any of timm's.
        channels: Channels of the network, ≥ 1; a network of one channel takes colour images as their grey.
        size: Height and width in pixels, one number for both; default the architecture's own.

    Raises:
        ConfigError: An unknown architecture, or a size that is none.

    Example:
        >>> p = default_preprocessing("resnet18", channels=1, size=128)
        >>> p.input_shape, [round(m, 3) for m in p.mean], p.channel_conversion
        ((1, 128, 128), [0.449], 'either')
    """
    known = _known(name)
    own = known.preprocessing or timm_preprocessing(name)
    height, width = (own.height, own.width) if size is None else (size, size) if isinstance(size, int) else size
    alike = len(set(own.mean)) == 1 and len(set(own.std)) == 1
    per_colour = channels == own.channels and not alike
    return Preprocessing(
        height=height,
        width=width,
        channels=channels,
        interpolation=own.interpolation,
        mean=own.mean if per_colour else (sum(own.mean) / len(own.mean),),
        std=own.std if per_colour else (sum(own.std) / len(own.std),),
        channel_conversion="either" if channels == 1 else "grey_to_rgb",
    )


def is_architecture(name: str) -> bool:
    """Whether a name is that of an architecture of this package or of timm; a name with a slash is not looked up.

    Example:
        >>> is_architecture("resnet18_small"), is_architecture("resnet18_smal")
        (True, False)
    """
    if "/" in name or "\\" in name:
        return False
    try:
        _known(name)
    except ConfigError:
        return False
    return True


def _known(name: str) -> Architecture:
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    require_timm_name(name, ConfigError, ARCHITECTURES)
    return Architecture(summary=f"timm's {name}")


def _make(name: str, known: Architecture, n_classes: int, channels: int, arguments: Mapping[str, Any]) -> nn.Module:
    if known.make is None:
        return timm_network(name, arguments, pretrained=False, n_classes=n_classes, channels=channels)
    allowed = [key for key in inspect.signature(known.make).parameters if key not in ("n_classes", "channels")]
    for key in arguments:
        if not allowed:
            raise ConfigError(f"`{name}` takes no arguments of its own, got `{key}`")
        if key not in allowed:
            raise ConfigError(unknown_name(f"argument of {name}", str(key), allowed))
    try:
        return known.make(n_classes=n_classes, channels=channels, **arguments)
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise ConfigError(
            f"`{name}` cannot be made with {n_classes} classes and {arguments}: {one_line(error)}"
        ) from error


def _drop_before(network: nn.Module, name: str, heads: tuple[str, ...], n_classes: int, dropout: float) -> None:
    if not heads:
        raise ConfigError(f"the head of `{name}` is not known; state its own dropout in `arguments`")
    for head in heads:
        replace_head(network, head, n_classes=n_classes, dropout=dropout)


def _trained_weights(
    name: str, known: Architecture, pretrained: Pretrained, arguments: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], str]:
    """Trained weights of the architecture, and what they are called."""
    if pretrained == PACKAGED:
        if known.packaged is None:
            have = [key for key, entry in ARCHITECTURES.items() if entry.packaged is not None]
            raise ModelError(f"no package brings weights for `{name}`; packaged are those of {', '.join(have)}")
        return dict(known.packaged().state_dict()), f"an installed package for {name}"
    if pretrained is True:
        if known.make is not None:
            raise ModelError(f"no trained weights of `{name}` are published; give the path of a weights file")
        return dict(timm_network(name, arguments, pretrained=True).state_dict()), f"timm's {name}"
    if not isinstance(pretrained, (str, Path)):
        raise ConfigError(f"`pretrained` must be true, false, `{PACKAGED}` or a path, got {pretrained!r}")
    path = Path(pretrained)
    file = path / WEIGHTS_FILE if path.is_dir() else path
    return read_weights(file), file.name if file == path else f"the model folder {path.name}"
