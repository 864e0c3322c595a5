"""Scaling of a table's columns before a model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from shiftgauge.errors import ConfigError
from shiftgauge.models.padding import run_in_fixed_batches
from shiftgauge.models.table_model import dtype_of
from shiftgauge.types import FloatArray


class Scale(NamedTuple):
    """What is subtracted from every column and what divides it afterwards, (P,) each."""

    mean: FloatArray
    std: FloatArray

    @property
    def changes_nothing(self) -> bool:
        """Whether every mean is 0 and every std 1."""
        return not self.mean.any() and bool((self.std == 1).all())


def scale_of(mean: Sequence[float] | None, std: Sequence[float] | None, width: int) -> Scale:
    """The scale of `width` columns; what is left out is 0 or 1.

    Raises:
        ConfigError: Another number of values.

    Example:
        >>> scale_of(None, [2.0, 4.0], 2).std.tolist()
        [2.0, 4.0]
    """
    found = Scale(
        np.zeros(width) if mean is None else np.asarray(mean, float),
        np.ones(width) if std is None else np.asarray(std, float),
    )
    if found.mean.shape != (width,) or found.std.shape != (width,):
        raise ConfigError(f"`mean` and `std` of the model must hold {width} numbers, one for each feature")
    return found


def scaler(scale: Scale) -> Callable[[FloatArray], FloatArray]:
    """A function that scales rows (n, P)."""
    if scale.changes_nothing:
        return lambda rows: rows
    return lambda rows: (rows - scale.mean) / scale.std


class ScaledNetwork(nn.Module):
    """A network behind the scaling of its columns.

    Args:
        network: Scaled rows (n, P) → outputs.
        scale: Of the columns.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, scale: Scale) -> None:
        super().__init__()
        self.network = network
        self.kind = dtype_of(network)
        self.plain = scale.changes_nothing
        self.register_buffer("mean", torch.as_tensor(scale.mean, dtype=self.kind))
        self.register_buffer("std", torch.as_tensor(scale.std, dtype=self.kind))

    def forward(self, rows: torch.Tensor) -> Any:
        """Scales the rows and runs the network."""
        return self.network(rows if self.plain else (rows - self.mean) / self.std)


def forward_of(network: ScaledNetwork, fixed_batch: int | None) -> Callable[[FloatArray], torch.Tensor]:
    """A function from rows (n, P) to the network's outputs, without gradients."""

    def predict(rows: FloatArray) -> torch.Tensor:
        with torch.inference_mode():
            plain = np.float64 if network.kind == torch.float64 else np.float32
            given = torch.from_numpy(np.array(rows, plain)).to(network.mean.device)
            return run_in_fixed_batches(network, given, fixed_batch)

    return predict
