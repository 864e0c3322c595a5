"""What all wrapped classifiers share: checks, preprocessing, names of classes, the record."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from shiftgauge.errors import ModelError, ShiftgaugeError
from shiftgauge.files import hash_json
from shiftgauge.models.class_names import resolve_class_names
from shiftgauge.models.output_kind import sample_images, settle_output_kind
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.weights import one_line
from shiftgauge.types import Execution, OutputKind

FORWARD_ERRORS: tuple[type[BaseException], ...] = (Exception, SystemExit)
"""What the code of a user's network can raise: anything but an interruption, which is none of its errors."""


class ImageClassifier(abc.ABC):
    """Base of the classifiers of this package: a subclass says only how its network is run.

    Args:
        preprocessing: How images reach the network.
        source: JSON-able facts on where the network is from.
        content: Content hash of the network.
    """

    def __init__(self, *, preprocessing: Preprocessing, source: dict[str, object], content: str) -> None:
        self._preprocessing = preprocessing
        self._source = source
        self._content = content
        self._class_names: tuple[str, ...] = ()
        self._class_names_from = ""
        self._output_kind: OutputKind = "logits"
        self._output_kind_found = ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the outputs."""
        return self._class_names

    @property
    def n_classes(self) -> int:
        """Number of outputs."""
        return len(self._class_names)

    @property
    def output_kind(self) -> OutputKind:
        """`logits` or `probabilities`."""
        return self._output_kind

    @property
    def preprocessing(self) -> Preprocessing:
        """How images reach the network."""
        return self._preprocessing

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) that `outputs` takes and `prepare` makes."""
        return self._preprocessing.input_shape

    @property
    def fingerprint(self) -> str:
        """Content hash of the network, its preprocessing, its class names and the kind of its outputs."""
        return hash_json(
            {
                "content": self._content,
                "preprocessing": self._preprocessing.to_dict(),
                "classes": list(self._class_names),
                "output_kind": self._output_kind,
            }
        )

    @property
    def description(self) -> dict[str, object]:
        """JSON-able facts for the record."""
        return {
            **self._source,
            "preprocessing": self._preprocessing.to_dict(),
            "output_kind": self._output_kind,
            "output_kind_found": self._output_kind_found,
            "n_classes": self.n_classes,
            "class_names_from": self._class_names_from,
        }

    def prepare(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Converts channels, resizes and crops: (N, c, h, w) in [0, 1] → (N, C, H, W) in [0, 1].

        Raises:
            ModelError: The channels or the size do not fit and may not be converted.
        """
        return self._preprocessing.prepare(images_nchw)

    def outputs(self, images_nchw: torch.Tensor, execution: Execution | None = None) -> torch.Tensor:
        """Normalises the images and runs the network, at most `batch_size` images at a time.

        Args:
            images_nchw: (N, C, H, W) of `input_shape`, values in [0, 1].
            execution: How to run it; default plain float32.

        Returns:
            float32 (N, K) on the device of the images, logits or probabilities as `output_kind` says.

        Raises:
            ModelError: The images have another shape, or the network fails or gives another shape.
        """
        self._check_images(images_nchw)
        chosen = execution or Execution()
        parts = [self._run(part, chosen) for part in images_nchw.split(chosen.batch_size)]
        if not len(images_nchw):
            return torch.empty((0, self.n_classes))
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def executions(self, batch_sizes: Sequence[int]) -> list[Execution]:
        """The ways in which this classifier can be run, the plain float32 one first."""
        return [Execution(batch_size=b) for b in batch_sizes]

    @abc.abstractmethod
    def _forward(self, images_nchw: torch.Tensor, execution: Execution) -> Any: ...

    def _settle(self, classes: Any, output_kind: str | None) -> None:
        """Runs sample images once to learn the number of classes and the kind of the outputs."""
        outputs = self._run(sample_images(self.input_shape), Execution())
        self._class_names, self._class_names_from = resolve_class_names(classes, outputs.shape[1])
        self._output_kind, self._output_kind_found = settle_output_kind(outputs.numpy(), output_kind, self._amplified)

    def _amplified(self) -> np.ndarray:
        """Outputs on sample images far beyond [0, 1], where logits leave [0, 1] and probabilities cannot."""
        return self._run((sample_images(self.input_shape) - 0.5) * 1000, Execution()).numpy()

    def _check_images(self, images_nchw: torch.Tensor) -> None:
        shape = tuple(images_nchw.shape)
        if len(shape) != 4 or shape[1:] != self.input_shape:
            raise ModelError(
                f"the model takes images of the shape (N, {', '.join(map(str, self.input_shape))}), got {shape}; "
                "pass them through `prepare` first"
            )

    def _run(
        self, images_nchw: torch.Tensor, execution: Execution, forward: Callable[..., Any] | None = None
    ) -> torch.Tensor:
        try:
            raw = (forward or self._forward)(images_nchw, execution)
        except ShiftgaugeError:
            raise
        except FORWARD_ERRORS as error:
            shape = tuple(images_nchw.shape)
            raise ModelError(f"the model fails on images of the shape {shape}: {one_line(error)}") from error
        return as_matrix(raw, len(images_nchw), self.n_classes).to(images_nchw.device)


def as_matrix(raw: Any, n_images: int, n_classes: int = 0) -> torch.Tensor:
    """Returns a model's raw outputs as float32 (N, K).

    Args:
        raw: A tensor, an array, or an object with `.logits`.
        n_images: N.
        n_classes: K, or 0 when it is not known yet.

    Raises:
        ModelError: It is not a matrix with one row per image and at least two columns.

    Example:
        >>> as_matrix([[0.5, 0.5]], 1).shape
        torch.Size([1, 2])
    """
    value = getattr(raw, "logits", raw)
    if isinstance(value, torch.Tensor):
        matrix = value.detach()
    else:
        try:
            matrix = torch.as_tensor(np.asarray(value, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise ModelError(f"the model must give a matrix (N, K), got {type(value).__name__}") from error
    expected = f"({n_images}, {n_classes or 'K'})"
    if matrix.ndim != 2 or matrix.shape[0] != n_images or (n_classes and matrix.shape[1] != n_classes):
        raise ModelError(f"the model must give outputs of the shape {expected}, got {tuple(matrix.shape)}")
    if matrix.shape[1] < 2:
        raise ModelError("the model gives one output per image; give one column per class, e.g. (1 − p, p)")
    if matrix.is_complex():
        raise ModelError("the model gives complex outputs; logits or probabilities are needed")
    return matrix.to(torch.float32)
