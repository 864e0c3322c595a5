"""Tells logits from probabilities by what a model gives for sample images."""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch

from shiftgauge.checks import require_in
from shiftgauge.errors import ModelError
from shiftgauge.random import generator
from shiftgauge.types import OutputKind

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from summing to 1."""


def sample_images(input_shape: tuple[int, int, int], n: int = 4) -> torch.Tensor:
    """Returns n fixed, varied images in [0, 1]: blocks of random colour, finer from image to image.

    Example:
        >>> sample_images((3, 8, 8)).shape
        torch.Size([4, 3, 8, 8])
    """
    channels, height, width = input_shape
    images = np.empty((n, channels, height, width), dtype=np.float32)
    for i in range(n):
        rng = generator(0, "sample images", i)
        cells = 2 ** (i + 1)
        blocks = rng.random((channels, min(cells, height), min(cells, width)), dtype=np.float32)
        rows = np.arange(height) * blocks.shape[1] // height
        columns = np.arange(width) * blocks.shape[2] // width
        images[i] = blocks[:, rows[:, None], columns[None, :]]
    return torch.from_numpy(images)


def settle_output_kind(
    outputs_nk: np.ndarray, stated: str | None, amplified: Callable[[], np.ndarray] | None = None
) -> tuple[OutputKind, str]:
    """Returns `logits` or `probabilities`, and a sentence that says how it was found.

    Rows within [0, 1] that sum to 1 (± 1e-3) are probabilities. Values outside [0, 1] are logits.
    Values within [0, 1] that do not sum to 1 can be either: independent sigmoid outputs, or logits
    that happen to be small. Then images a thousand times as bright are tried: logits leave [0, 1],
    sigmoid outputs cannot. If they stay, nothing is guessed.

    Args:
        outputs_nk: Outputs on sample images, (N, K).
        stated: What the configuration says, or None.
        amplified: Gives outputs on such very bright images; called only in that case.

    Raises:
        ModelError: `probabilities` is stated but values lie outside [0, 1], or nothing is stated
            and the outputs do not decide it.

    Example:
        >>> import numpy as np
        >>> settle_output_kind(np.array([[0.25, 0.75]]), None)[0]
        'probabilities'
    """
    finite = outputs_nk[np.isfinite(outputs_nk).all(axis=1)]
    inside = bool(finite.size) and finite.min() >= -1e-6 and finite.max() <= 1 + 1e-6
    sums = inside and bool(np.abs(finite.sum(axis=1) - 1).max() <= SUM_TOLERANCE)
    if stated is not None:
        kind = cast(OutputKind, require_in("output kind", stated, ("logits", "probabilities"), ModelError))
        if kind == "probabilities" and finite.size and not inside:
            raise ModelError(
                f"`output_kind` says probabilities but the model gives values from {finite.min():.3g} to "
                f"{finite.max():.3g} on sample images; set it to logits"
            )
        return kind, "stated" + (", although rows look like probabilities" if kind == "logits" and sums else "")
    if sums:
        return "probabilities", f"detected: rows of {len(finite)} sample images lie in [0, 1] and sum to 1"
    if finite.size and not inside:
        return (
            "logits",
            f"detected: values from {finite.min():.3g} to {finite.max():.3g} on {len(finite)} sample images",
        )
    if inside and amplified is not None:
        wide = amplified()
        if np.isfinite(wide).all() and (wide.min() < -1e-6 or wide.max() > 1 + 1e-6):
            return "logits", "detected: values leave [0, 1] on very bright sample images"
    reason = "lie in [0, 1] but do not sum to 1" if inside else "are not finite"
    raise ModelError(f"the model's outputs on sample images {reason}; state `output_kind`: logits or probabilities")
