"""What an image is made to raise: the logit of a class, a neuron, a channel, or a direction in a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.capture import Recorder, as_features, repeated_text, require_all
from shiftgauge.models.inputs import class_place, require_gradients
from shiftgauge.types import BlockClassifier, Classifier

Read: TypeAlias = Callable[[torch.Tensor, Mapping[str, torch.Tensor]], torch.Tensor]
"""(logits (K,), block name → output for one image) → one number in the autograd graph."""


@dataclass(frozen=True, kw_only=True)
class ClassLogit:
    """The logit of a class: a(x) = z_k(x).

    It is the classifier's own: divided by its temperature where it is calibrated, the log-odds of a label where several
    may hold, and the logarithm of the probability where the network gives probabilities.

    Args:
        label: Name of the class, or its place among the outputs, ≥ 0.
    """

    label: str | int

    def to_dict(self) -> dict[str, Any]:
        """Returns the target as plain JSON-able values."""
        return {"kind": "class_logit", "label": self.label}


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """One number in what a block gives: a(x) = B(x)[index].

    Args:
        block: Module path of the block.
        index: Place of the unit in the block's output for one image: (channel, y, x) for a map, one number for a
            vector.
    """

    block: str
    index: tuple[int, ...] | int

    def to_dict(self) -> dict[str, Any]:
        """Returns the target as plain JSON-able values."""
        index = [self.index] if isinstance(self.index, (int, np.integer)) else list(self.index)
        return {"kind": "neuron", "block": self.block, "index": [int(i) for i in index]}


@dataclass(frozen=True, kw_only=True)
class ChannelMean:
    """The mean of a channel over all its positions: a(x) = mean over (y, x) of B(x)[channel, y, x].

    Args:
        block: Module path of the block.
        channel: Number of the channel, ≥ 0.
    """

    block: str
    channel: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the target as plain JSON-able values."""
        return {"kind": "channel_mean", "block": self.block, "channel": int(self.channel)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Direction:
    r"""How far what a block gives lies along a vector.

    $$ a(x) = \langle v, B(x) \rangle / \lVert v \rVert_2 $$

    Args:
        block: Module path of the block.
        vector: v ≠ 0: one number per channel, against which the mean of the block's output over all positions is
            held; or an array of the shape of the whole output.
    """

    block: str
    vector: npt.ArrayLike

    def to_dict(self) -> dict[str, Any]:
        """Returns the target as plain JSON-able values."""
        return {"kind": "direction", "block": self.block, "vector": np.asarray(self.vector, float).tolist()}


Target: TypeAlias = ClassLogit | Neuron | ChannelMean | Direction


class Objectives:
    """Targets of one classifier, checked, to be evaluated together: row i of a batch by its own target.

    Args:
        classifier: Any differentiable classifier; targets in blocks need one that runs a torch network.
        targets: The targets; a name or number alone stands for the logit of that class.

    Raises:
        ConfigError: No targets, an unknown class, a place outside the block's output, a vector that does not fit.
        ModelError: The classifier gives no gradients or has no such block.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> asked = Objectives(c, [0, Neuron(block="1", index=0)])
        >>> values, logits = asked.values(torch.ones(2, 3, 2, 2), [0, 1])
        >>> bool(values[0] == values[1]), tuple(logits.shape)
        (True, (2, 3))
    """

    def __init__(self, classifier: Classifier, targets: Sequence[Target | str | int]) -> None:
        self._classifier = require_gradients(classifier)
        if isinstance(targets, str) or not len(targets):
            raise ConfigError(f"`targets` must be a list of at least one target, got {targets!r}")
        self.targets = tuple(_as_target(target) for target in targets)
        blocks = dict.fromkeys(t.block for t in self.targets if not isinstance(t, ClassLogit))
        self._shapes, self._axes, self._recorder = _looked_at(classifier, list(blocks))
        found = [self._bind(target) for target in self.targets]
        self.names = tuple(name for name, _ in found)
        self._reads = [read for _, read in found]

    def __len__(self) -> int:
        return len(self.targets)

    def values(self, images_nchw: torch.Tensor, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Runs the classifier once.

        Args:
            images_nchw: (n, C, H, W) of the classifier's input shape, pixels in [0, 1].
            rows: Which target measures each image, n numbers.

        Returns:
            What the targets measure (n,) and the logits (n, K), inside the autograd graph of the images.

        Raises:
            ModelError: The network fails, or a block gives no tensor with a row for each image.
        """
        found: dict[str, torch.Tensor] = {}

        def keep(name: str, output: Any) -> None:
            if name in found:
                raise ModelError(repeated_text(name))
            found[name] = as_features(name, output, len(images_nchw)).clone()  # a later layer may write in place

        if self._recorder is None:
            logits = self._classifier.logits_with_grad(images_nchw)
        else:
            with self._recorder.into(keep):
                logits = self._classifier.logits_with_grad(images_nchw)
            require_all(found, list(self._shapes))
        each = logits.unbind(0)  # its backward pass fills each row once, where indexing would fill the batch
        maps = {name: values.unbind(0) for name, values in found.items()}
        read = [
            self._reads[row](each[i], {name: values[i] for name, values in maps.items()}) for i, row in enumerate(rows)
        ]
        return torch.stack([value.to(logits.device, logits.dtype) for value in read]), logits

    def _bind(self, target: Target) -> tuple[str, Read]:
        if isinstance(target, ClassLogit):
            place = class_place(self._classifier, target.label)
            return self._classifier.class_names[place], lambda logits, blocks: logits[place]
        name, shape, axis = target.block, self._shapes[target.block], self._axes[target.block]
        if isinstance(target, Neuron):
            index = _unit(target, shape)
            return f"{name}[{', '.join(map(str, index))}]", lambda logits, blocks: blocks[name][index]
        if isinstance(target, ChannelMean):
            channel = require_positive_int("channel", target.channel, low=0)
            if channel >= shape[axis]:
                raise ConfigError(f"`channel` must be below {shape[axis]}, which block `{name}` has, got {channel}")
            return f"{name}, channel {channel}", lambda logits, blocks: blocks[name].select(axis, channel).mean()
        vector = _unit_vector(target, shape, axis)
        return f"{name}, a direction", lambda logits, blocks: _along(vector, blocks[name], axis)


def _as_target(target: Target | str | int) -> Target:
    if isinstance(target, (str, int, np.integer)) and not isinstance(target, bool):
        return ClassLogit(label=target if isinstance(target, str) else int(target))
    if isinstance(target, (ClassLogit, Neuron, ChannelMean, Direction)):
        return target
    raise ConfigError(
        f"a target must be a class, or a ClassLogit, Neuron, ChannelMean or Direction, got {type(target).__name__}"
    )


def _looked_at(
    classifier: Classifier, blocks: list[str]
) -> tuple[dict[str, tuple[int, ...]], dict[str, int], Recorder | None]:
    """Shapes and channel axes of blocks, and what records them."""
    if not blocks:
        return {}, {}, None
    module = getattr(classifier, "module", None)
    if not isinstance(module, nn.Module) or not isinstance(classifier, BlockClassifier):
        raise ModelError(f"a {type(classifier).__name__} has no named blocks; take the logit of a class as the target")
    return classifier.block_shapes(blocks), classifier.block_channel_axes(blocks), Recorder(module, blocks)


def _unit(target: Neuron, shape: tuple[int, ...]) -> tuple[int, ...]:
    given = (target.index,) if isinstance(target.index, (int, np.integer)) else tuple(target.index)
    index = tuple(require_positive_int("index", i, low=0) for i in given)
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
        raise ConfigError(f"`index` must be a place in the output {shape} of block `{target.block}`, got {index}")
    return index


def _unit_vector(target: Direction, shape: tuple[int, ...], axis: int) -> torch.Tensor:
    vector = np.asarray(target.vector, dtype=np.float64)
    if vector.shape not in ((shape[axis],), shape):
        raise ConfigError(
            f"`vector` must hold {shape[axis]} numbers, one per channel of block `{target.block}`, or have the shape "
            f"{shape} of its output, got {vector.shape}"
        )
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise ConfigError("`vector` must hold finite numbers that are not all zero")
    return torch.from_numpy(vector / length)


def _along(vector: torch.Tensor, values: torch.Tensor, axis: int) -> torch.Tensor:
    """Inner product with the output of a block, or with its mean over all positions."""
    if vector.ndim == 1:
        values = values.movedim(axis, -1).reshape(-1, values.shape[axis]).mean(dim=0)
    return (values * vector.to(values)).sum()
