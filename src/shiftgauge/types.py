"""Array aliases that name their axes, and the protocols that the parts of shiftgauge meet at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""Any array of float64."""
UnitNP: TypeAlias = npt.NDArray[np.float64]
"""Points of the unit cube, axes (point, varying parameter), values in [0, 1]."""
ThetaNP: TypeAlias = npt.NDArray[np.float64]
"""Physical values, axes (point, parameter)."""
OutputsNQ: TypeAlias = npt.NDArray[np.float64]
"""Values of the quantities of interest, axes (point, quantity)."""

Precision: TypeAlias = Literal["float32", "bfloat16"]
OutputKind: TypeAlias = Literal["logits", "probabilities"]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a classifier is run: none of it may change what is measured beyond a stated tolerance.

    Args:
        batch_size: Images per forward pass, ≥ 1.
        channels_last: Memory layout of images and convolution weights.
        precision: `float32` or `bfloat16`.
        compiled: Run a fused, compiled copy of the network.
        streams: Batches that are worked on at the same time, each on one thread; 1 gives every batch all threads.
    """

    batch_size: int = 32
    channels_last: bool = False
    precision: Precision = "float32"
    compiled: bool = False
    streams: int = 1


@runtime_checkable
class Classifier(Protocol):
    """What the rest of shiftgauge needs from a trained image classifier.

    Images are float32 tensors (N, C, H, W) with values in [0, 1]. `prepare` resizes and crops to
    the input size of the network; `outputs` normalises and runs the network.
    """

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs."""
        ...

    @property
    def n_classes(self) -> int:
        """Number of outputs, K."""
        ...

    @property
    def output_kind(self) -> OutputKind:
        """Whether `outputs` gives logits or probabilities."""
        ...

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) that `outputs` takes and `prepare` makes."""
        ...

    @property
    def fingerprint(self) -> str:
        """Content hash of weights, architecture and preprocessing."""
        ...

    @property
    def description(self) -> dict[str, object]:
        """JSON-able facts for the record: source, preprocessing, output kind, how it was found."""
        ...

    def prepare(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """(N, c, h, w) in [0, 1] → (N, C, H, W) in [0, 1] at the network's input size."""
        ...

    def outputs(self, images_nchw: torch.Tensor, execution: Execution | None = None) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] → float32 (N, K), logits or probabilities as `output_kind` says."""
        ...

    def executions(self, batch_sizes: Sequence[int]) -> list[Execution]:
        """The ways in which this classifier can be run, the plain float32 one first."""
        ...


@runtime_checkable
class DifferentiableClassifier(Classifier, Protocol):
    """A classifier that also gives gradients of its outputs and names its blocks."""

    @property
    def block_names(self) -> tuple[str, ...]:
        """Module paths of the blocks, from input to output."""
        ...

    def logits_with_grad(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Like `outputs` in float32, as logits, inside the autograd graph of `images_nchw`."""
        ...


@runtime_checkable
class BlockClassifier(Classifier, Protocol):
    """A classifier that tells what its named blocks give while it runs."""

    @property
    def main_blocks(self) -> tuple[str, ...]:
        """Module paths of the blocks that cut the network's depth, from input to output."""
        ...

    def block_shapes(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Shape of what each named block gives for one image."""
        ...

    def block_channel_axes(self, names: Sequence[str]) -> dict[str, int]:
        """Axis of the channels in each of these shapes."""
        ...

    def outputs_and_blocks(
        self,
        images_nchw: torch.Tensor,
        names: Sequence[str],
        reduce: Callable[[str, torch.Tensor], torch.Tensor],
        execution: Execution | None = None,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """`outputs`, and what `reduce` makes of each block's output (N, ...) → (N, k)."""
        ...


@runtime_checkable
class MultiLabelClassifier(Classifier, Protocol):
    """A classifier whose outputs are independent probabilities: any number of labels may hold for one image."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """A label is said to hold when its probability reaches this, one in [0, 1] for each label."""
        ...
