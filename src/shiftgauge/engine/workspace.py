"""What a layer remembers between its forward and its backward pass, and the memory that it writes into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Shape: TypeAlias = tuple[int, ...]


@dataclass
class Mode:
    """What one pass through a network is for; all layers of the pass share it.

    Args:
        training: Batch normalisation uses the batch's own statistics, dropout drops.
        keep: A backward pass follows, so layers keep what it needs.
        gradients: Path of a parameter → where its gradient is added up; None where only the gradient with respect to
            the input is wanted.
        generator: What dropout draws from.
    """

    training: bool = False
    keep: bool = False
    gradients: Mapping[str, Tensor] | None = None
    generator: torch.Generator | None = None


class Workspace:
    """The notes and the memory of one layer.

    A layer holds no state of a pass itself: it is handed its workspace, notes in `kept` what backward will need, and
    takes its output's memory from `buffer`. The same memory serves the next batch. Two threads that take parts of a
    batch through the same layers have a workspace each.

    Args:
        mode: What the pass is for.
        path: Path of the layer within the network, `""` or ending in a dot.

    Example:
        >>> ws = Workspace(Mode())
        >>> first = ws.buffer("output", (2, 3), like=torch.zeros(1))
        >>> first.data_ptr() == ws.buffer("output", (2, 3), like=torch.zeros(1)).data_ptr()
        True
    """

    def __init__(self, mode: Mode, path: str = "") -> None:
        self.mode, self.path = mode, path
        self.kept: dict[str, Any] = {}
        self.may_overwrite = False
        """Whether nobody but this layer needs its input, so that it may write over it, forward and backward."""
        self.wants_input_gradient = True
        """Whether backward must give the gradient with respect to the input: not where nothing learns before it."""
        self._storage: dict[str, Tensor] = {}
        self._shaped: dict[str, Tensor] = {}
        self._children: dict[str, Workspace] = {}

    def child(self, name: str) -> Workspace:
        """The workspace of a layer within this one."""
        if name not in self._children:
            self._children[name] = Workspace(self.mode, f"{self.path}{name}.")
        return self._children[name]

    def gradient(self, name: str) -> Tensor | None:
        """Where the gradient of this layer's parameter is added up, or None where it is not wanted."""
        return None if self.mode.gradients is None else self.mode.gradients[self.path + name]

    def buffer(self, name: str, shape: Shape, *, like: Tensor, zeroed: bool = False) -> Tensor:
        """Returns memory of a shape; what it holds is left from the last use.

        Args:
            name: The same name gives the same memory again, so one name has one use.
            shape: Any shape; memory grows when a larger one is asked for.
            like: Gives the data type and the device.
            zeroed: Filled with 0 when the memory is new or its shape has changed; where the layer never writes
                (padding) it stays 0.
        """
        found = self._shaped.get(name)
        if found is not None and found.shape == shape and found.dtype == like.dtype and found.device == like.device:
            return found
        size, storage = math.prod(shape), self._storage.get(name)
        if storage is None or storage.numel() < size or storage.dtype != like.dtype or storage.device != like.device:
            storage = self._storage[name] = torch.empty(size, dtype=like.dtype, device=like.device)
        found = self._shaped[name] = storage[:size].view(shape)
        return found.zero_() if zeroed else found

    @property
    def n_bytes(self) -> int:
        """Bytes that this workspace and those within it hold."""
        own = sum(storage.numel() * storage.element_size() for storage in self._storage.values())
        return own + sum(child.n_bytes for child in self._children.values())
