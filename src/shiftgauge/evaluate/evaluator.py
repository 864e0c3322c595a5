"""From points of a design to numbers: gather images, shift them, run the classifier, measure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.values import OnFailure
from shiftgauge.evaluate.images import ImageSource, PreparedImages
from shiftgauge.evaluate.projection import BlockProjection, block_values
from shiftgauge.evaluate.quantities import finite_rows, quantity_names
from shiftgauge.evaluate.streams import map_streams
from shiftgauge.evaluate.truth import Truth, truth_of
from shiftgauge.types import Classifier, Execution, OutputsNQ, ThetaNP

Perturb = Callable[[torch.Tensor, np.ndarray, np.ndarray], torch.Tensor]
"""(images (N, C, H, W), theta (N, P), streams (N,)) → shifted images of the same shape."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Rows of a design, one classifier call each.

    Args:
        image_n: Index of the image (N,).
        theta_np: Physical values of the shifts (N, P).
        stream_n: Number of the random stream (N,), for shifts that draw noise.
    """

    image_n: np.ndarray
    theta_np: ThetaNP
    stream_n: np.ndarray

    def __len__(self) -> int:
        return len(self.image_n)

    def part(self, start: int, stop: int) -> "Points":
        """The rows [start, stop)."""
        return Points(
            image_n=self.image_n[start:stop], theta_np=self.theta_np[start:stop], stream_n=self.stream_n[start:stop]
        )


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """A classifier, images and shifts, ready to be asked for values.

    Args:
        classifier: The trained network.
        source: The labelled images; labels are indices into the classifier's classes.
        perturb: The shift pipeline.
        names: Names of the columns of theta, for messages.
        nominal: The values of theta at which nothing is shifted (P,).
        classes: Classes whose probability is recorded beside the standard quantities.
        native: Shift the stored pixels and resize afterwards.
        memory_bytes: Limit of the decoded images that are held.
        blocks: What is kept of the network's blocks; None looks at none.
        on_failure: What becomes of outputs that are NaN or infinite: `raise`, or `drop`, which makes their rows NaN.
    """

    classifier: Classifier
    source: ImageSource
    perturb: Perturb
    names: Sequence[str]
    nominal: Sequence[float]
    classes: Sequence[str] = ()
    native: bool = False
    memory_bytes: int = field(default=1 << 30)
    blocks: BlockProjection | None = None
    on_failure: OnFailure = "raise"

    @cached_property
    def images(self) -> PreparedImages:
        """The prepared images."""
        return PreparedImages(self.source, self.classifier, native=self.native, memory_bytes=self.memory_bytes)

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """Names of the quantities, the first columns of `values`."""
        return quantity_names(self.classes, self.classifier.class_names)

    @cached_property
    def truth(self) -> Truth:
        """What is true of each image.

        Raises:
            DataError: Labels that do not fit the classifier.
        """
        return truth_of(self.classifier, self.source)

    @property
    def width(self) -> int:
        """Number of columns of `values`: quantities, the predicted class, what is kept of the blocks."""
        return len(self.quantities) + 1 + (self.blocks.n_columns if self.blocks is not None else 0)

    @cached_property
    def _class_indices(self) -> tuple[int, ...]:
        return tuple(self.classifier.class_names.index(name) for name in self.classes)

    def at_rest(self) -> Points:
        """Every image once, at the nominal values."""
        n = len(self.source)
        theta = np.tile(np.asarray(self.nominal, float), (n, 1))
        return Points(image_n=np.arange(n), theta_np=theta, stream_n=np.zeros(n, np.int64))

    def shifted(self, points: Points) -> torch.Tensor:
        """Returns the shifted images (N, C, H, W) at the network's input size, in [0, 1]."""
        result: torch.Tensor | None = None
        for where, images in self.images.groups(points.image_n.tolist()):
            moved = self.perturb(images, points.theta_np[where], points.stream_n[where])
            if self.native:
                moved = self.classifier.prepare(moved)
            if len(where) == len(points):
                return moved
            if result is None:
                result = moved.new_empty((len(points), *moved.shape[1:]))
            result[torch.from_numpy(where)] = moved
        if result is None:
            raise NumericalError("no rows to evaluate")
        return result

    def outputs(
        self, points: Points, execution: Execution, on_batch: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Returns raw outputs (N, K), in batches; `on_batch` is told the size of each.

        Raises:
            NumericalError: A NaN or infinite output that is not to be dropped, with its image and shift.
        """
        return self._in_batches(self._batch_outputs, points, execution, on_batch)

    def values(self, points: Points, execution: Execution, on_batch: Callable[[int], None] | None = None) -> OutputsNQ:
        """Returns the measured quantities, the predicted class and the blocks' columns (N, Q + 1 + B).

        Raises:
            NumericalError: A NaN or infinite output that is not to be dropped, with its image and shift.
        """
        return self._in_batches(self._batch_values, points, execution, on_batch)

    def _in_batches(
        self,
        work: Callable[..., np.ndarray],
        points: Points,
        execution: Execution,
        on_batch: Callable[[int], None] | None,
    ) -> np.ndarray:
        size = execution.batch_size
        batches = [points.part(start, start + size) for start in range(0, len(points), size)]
        parts = []
        for found in map_streams(partial(work, execution=execution), batches, execution.streams):
            parts.append(found)
            if on_batch is not None:
                on_batch(len(found))
        return np.concatenate(parts)

    def _batch_outputs(self, batch: Points, execution: Execution) -> np.ndarray:
        raw = self.classifier.outputs(self.shifted(batch), execution).cpu().numpy()
        self._require_finite(raw, batch)
        return raw

    def _batch_values(self, batch: Points, execution: Execution) -> np.ndarray:
        if self.blocks is None:
            return self.truth.measure(self._batch_outputs(batch, execution), batch.image_n, self._class_indices)
        raw, columns = block_values(self.classifier, self.blocks, self.shifted(batch), execution)
        self._require_finite(np.hstack([raw, columns]), batch)
        values = np.hstack([self.truth.measure(raw, batch.image_n, self._class_indices), columns])
        values[~finite_rows(values)] = np.nan
        return values

    def _require_finite(self, raw: np.ndarray, batch: Points) -> None:
        bad = ~finite_rows(raw)
        if bad.any() and self.on_failure == "raise":
            row = int(np.argmax(bad))
            theta = ", ".join(f"{n} {v:.6g}" for n, v in zip(self.names, batch.theta_np[row], strict=True))
            raise NumericalError(
                f"the model gives NaN or infinity for image `{self.source.names[batch.image_n[row]]}` at {theta}; "
                "check the model on that input, narrow the range, or leave such cases out with on_failure: drop"
            )
