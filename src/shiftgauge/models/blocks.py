"""The blocks of a network: which there are, what they give, and where its depth is best cut."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from shiftgauge.models.capture import block_outputs, run_counts
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.layout import channel_axes

MAX_BLOCKS: Final = 12
"""Most blocks that are found by themselves; more are thinned evenly, first and last kept."""
_STAGE: Final = re.compile(r"(layer|block|stage|group)s?_?\d+")
_POOLS: Final = (nn.MaxPool2d, nn.AvgPool2d)
_FEWEST_POOLS: Final = 3
"""In `features`, for its depth to be cut at them: fewer belong to a stem."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A named part of a network.

    Args:
        name: Its module path, as `module.get_submodule` takes it.
        kind: Name of its class.
        shape: Shape of its output for one image.
        channel_axis: Axis of `shape` that holds the channels.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    channel_axis: int = 0


def find_blocks(module: nn.Module, images_nchw: torch.Tensor | None = None) -> tuple[str, ...]:
    """Finds the blocks that cut a network's depth, from input to output, at most 12.

    In this order: the stages that a timm network declares (`feature_info`); direct parts named as stages are
    (`layer1`, `block2`, `stage3`: ResNet, wide ResNet), after the activation of the stem; a part `features` (VGG: up to
    each pooling, where there are at least three; DenseNet, EfficientNet, ConvNeXt: each of its parts with weights);
    otherwise the direct parts that hold weights.

    Args:
        module: The network.
        images_nchw: Normalised images, N ≥ 1, by which the blocks are tried: parts that are not run, that are run more
            than once or give no single tensor are then left out, and the order is that in which they are run. Without
            images it is that in which they are declared.

    Returns:
        Module paths in the order of the network; none where it has no parts with weights.

    Example:
        >>> net = nn.Sequential()
        >>> net.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU())
        >>> find_blocks(net)
        ('features.0', 'features.3')
    """
    names = _declared(module) or _stages(module) or _features(module) or weighted_parts(module)
    if images_nchw is not None:
        counts = _counts(module, images_nchw, names)
        names = [name for name, count in counts.items() if count == 1] or list(counts) or names
    if len(names) > MAX_BLOCKS:
        step = (len(names) - 1) / (MAX_BLOCKS - 1)
        names = [names[round(i * step)] for i in range(MAX_BLOCKS)]
    return tuple(names)


def in_run_order(module: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]) -> tuple[str, ...]:
    """Returns names in the order in which the network gets to the end of the parts; parts that are not run come last.

    Args:
        module: The network; its mode and flags are as before afterwards.
        images_nchw: At least one normalised image (N, C, H, W).
        names: Module paths.

    Raises:
        ModelError: The network has no such part, or it is named twice.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> in_run_order(net, torch.zeros(1, 1, 4, 4), ["3", "0", "1"])
        ('0', '1', '3')
    """
    counts = _counts(module, images_nchw, names)
    return (*counts, *(name for name in names if name not in counts))


def _counts(module: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]) -> dict[str, int]:
    with evaluation_mode(module), torch.inference_mode():
        return run_counts(module, images_nchw, names)


def list_blocks(module: nn.Module, images_nchw: torch.Tensor, names: Sequence[str] | None = None) -> tuple[Block, ...]:
    """Lists blocks with the shapes of their outputs, in the order in which they are run.

    The network is run once in evaluation mode; its mode and flags are as before afterwards.

    Args:
        module: The network.
        images_nchw: At least one normalised image (N, C, H, W).
        names: Module paths in any order; default those of `find_blocks`.

    Raises:
        ModelError: An unknown block, or one that does not give one tensor per batch.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> [(b.name, b.kind, b.shape) for b in list_blocks(net, torch.zeros(1, 1, 4, 4))]
        [('0', 'Conv2d', (2, 2, 2)), ('3', 'Linear', (3,))]
    """
    chosen = find_blocks(module, images_nchw) if names is None else in_run_order(module, images_nchw, names)
    with evaluation_mode(module), torch.inference_mode():
        found = block_outputs(module, images_nchw, chosen)
        axes = channel_axes(module, images_nchw, chosen)
    return tuple(
        Block(
            name=name,
            kind=type(module.get_submodule(name)).__name__,
            shape=tuple(value.shape[1:]),
            channel_axis=axes[name] - 1,
        )
        for name, value in found.items()
    )


def weighted_parts(module: nn.Module, prefix: str = "") -> list[str]:
    """Names the direct parts of a network that hold weights, in order.

    A container (Sequential, ModuleList) stands for its parts; parts with vectors of weights alone (normalisations) are
    left out.
    """
    names: list[str] = []
    for name, part in module.named_children():
        if isinstance(part, (nn.Sequential, nn.ModuleList)):
            names += weighted_parts(part, f"{prefix}{name}.")
        elif any(p.ndim > 1 for p in part.parameters()):
            names.append(f"{prefix}{name}")
    return names


def _declared(module: nn.Module) -> list[str]:
    """The stages of `feature_info`, as timm's networks have it."""
    info: Any = getattr(module, "feature_info", None)
    if not isinstance(info, (list, tuple)):
        return []
    paths = {name for name, _ in module.named_modules() if name}
    found = [str(entry["module"]) for entry in info if isinstance(entry, Mapping) and entry.get("module") in paths]
    return list(dict.fromkeys(found))


def _stages(module: nn.Module) -> list[str]:
    children = list(module.named_children())
    stages = [i for i, (name, part) in enumerate(children) if _STAGE.fullmatch(name) and _has_weights(part)]
    if len(stages) < 2:
        return []
    stem = [name for name, part in children[: stages[0]] if not isinstance(part, _POOLS)][-1:]
    return [*stem, *(children[i][0] for i in stages)]


def _features(module: nn.Module) -> list[str]:
    features = getattr(module, "features", None)
    if not isinstance(features, nn.Sequential) or len(features) < 2:
        return []
    names = [name for name, _ in features.named_children()]
    pools = [i for i, part in enumerate(features) if isinstance(part, _POOLS)]
    if len(pools) >= _FEWEST_POOLS:
        last = [] if pools[-1] == len(names) - 1 else [len(names) - 1]
        return [f"features.{names[i]}" for i in [*pools, *last]]
    return [f"features.{name}" for name, part in features.named_children() if _has_weights(part)]


def _has_weights(part: nn.Module) -> bool:
    return any(p.ndim > 1 for p in part.parameters())
