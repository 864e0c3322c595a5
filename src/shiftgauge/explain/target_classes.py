"""The class that is asked about, for each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.explain.objectives import class_place
from shiftgauge.types import Classifier, Execution

Targets: TypeAlias = str | int | Sequence[str | int] | npt.NDArray[np.integer] | None
"""One class for all images, one for each, or None for what the network says of each."""


def target_classes(
    classifier: Classifier, images_nchw: torch.Tensor, targets: Targets, *, batch_size: int = 32
) -> npt.NDArray[np.int64]:
    """Returns the place among the outputs of the class that is asked about, for each image.

    Args:
        classifier: Any classifier.
        images_nchw: (N, C, H, W) of its input shape.
        targets: Name or place of a class, or N of them; None for the class with the largest output.
        batch_size: Images in one forward pass where the classifier has to be asked.

    Returns:
        (N,).

    Raises:
        ConfigError: An unknown class, or another number of them than there are images.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
        >>> p = Preprocessing(height=2, width=2)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"), classes=("good", "dent", "stain"))
        >>> target_classes(c, torch.rand(2, 3, 2, 2), "dent").tolist()
        [1, 1]
    """
    n = len(images_nchw)
    if targets is None:
        outputs = classifier.outputs(images_nchw, Execution(batch_size=batch_size))
        return outputs.argmax(dim=1).cpu().numpy().astype(np.int64)
    if isinstance(targets, (str, int, np.integer)):
        return np.full(n, class_place(classifier, targets if isinstance(targets, str) else int(targets)), np.int64)
    asked = targets.tolist() if isinstance(targets, (np.ndarray, torch.Tensor)) else list(targets)
    if len(asked) != n:
        raise ConfigError(f"`targets` must name one class, or one for each of the {n} images, got {len(asked)}")
    return np.array([class_place(classifier, label) for label in asked], np.int64)
