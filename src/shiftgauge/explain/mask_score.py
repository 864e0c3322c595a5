"""The score of an image as a function of its masks, with derivatives, and how often it was asked for."""

from __future__ import annotations

import numpy as np
import torch

from shiftgauge.explain.class_scores import ClassScore
from shiftgauge.explain.masks import MaskedImage
from shiftgauge.explain.push import Progress
from shiftgauge.models.inputs import require_gradients
from shiftgauge.types import Classifier, FloatArray, OutputsNQ, ThetaNP


class Counter:
    """What was evaluated so far.

    Args:
        progress: Told of it.
        most: Most evaluations that there can be.
    """

    def __init__(self, progress: Progress | None, most: int) -> None:
        self._progress, self._most = progress, most
        self.values, self.gradients = 0, 0

    def add(self, values: int = 0, gradients: int = 0) -> None:
        """Counts what was done."""
        self.values, self.gradients = self.values + values, self.gradients + gradients
        self._tell(min(self.values + self.gradients, self._most))

    def finish(self) -> None:
        """Says that no more will come."""
        if self.values + self.gradients < self._most:
            self._tell(self._most)

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._most)


class MaskScore:
    """The score of one image as a function of its masks.

    Args:
        classifier: The classifier; it must give gradients where they are asked for.
        score: What is measured.
        masked: Makes images of masks.
        place: Of the class.
        shape: Rows and columns of the masks.
        batch_size: Images in one batch.
        counted: Counts them.
    """

    def __init__(
        self,
        classifier: Classifier,
        score: ClassScore,
        masked: MaskedImage,
        place: int,
        shape: tuple[int, int],
        batch_size: int,
        counted: Counter,
    ) -> None:
        self._classifier, self._score, self._masked = classifier, score, masked
        self._place, self._shape, self._batch, self._counted = place, shape, batch_size, counted

    def values(self, theta_np: ThetaNP) -> OutputsNQ:
        """Masks (n, cells) → scores (n, 1)."""
        out = np.empty((len(theta_np), 1))
        for start in range(0, len(theta_np), self._batch):
            masks = self._grid(theta_np[start : start + self._batch])
            images = self._masked(masks)
            scores = self._score.of_images(images, torch.full((len(masks),), self._place, device=images.device))
            out[start : start + len(masks), 0] = scores.cpu().numpy()
            self._counted.add(values=len(masks))
        return out

    def gradients(self, theta_np: ThetaNP) -> tuple[OutputsNQ, FloatArray]:
        """Masks (n, cells) → scores (n, 1) and derivatives (n, 1, cells)."""
        values, slopes = np.empty((len(theta_np), 1)), np.empty((len(theta_np), 1, theta_np.shape[1]))
        for start in range(0, len(theta_np), self._batch):
            rows = slice(start, start + self._batch)
            values[rows, 0], slopes[rows, 0] = self._differentiated(self._grid(theta_np[rows]).requires_grad_(True))
        return values, slopes

    def _differentiated(self, masks: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        smooth = require_gradients(self._classifier)
        with torch.enable_grad():
            logits = smooth.logits_with_grad(self._masked(masks))
            scores = self._score.of_logits(logits, torch.full((len(masks),), self._place, device=logits.device))
            (slopes,) = torch.autograd.grad(scores.sum(), masks)
        self._counted.add(gradients=len(masks))
        return scores.detach().double().cpu().numpy(), slopes.flatten(1).double().cpu().numpy()

    def _grid(self, theta_np: ThetaNP) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(theta_np)).float().reshape(-1, *self._shape)
