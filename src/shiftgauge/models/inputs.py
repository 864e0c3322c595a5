"""What can be looked inside: a network with gradients and blocks, images that fit it, and the classes asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError, DataError, ModelError, NumericalError
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Classifier, DifferentiableClassifier, Execution

Targets: TypeAlias = str | int | Sequence[str | int] | npt.NDArray[np.integer] | torch.Tensor | None
"""One class for all images, one for each, or None for what the network says of each."""


def require_network(classifier: Classifier) -> TorchClassifier:
    """Returns the classifier when it is a torch network, whose blocks can be looked at and differentiated.

    Raises:
        ModelError: It is of another kind (ONNX, scikit-learn, a callable): what is missing.
    """
    if isinstance(classifier, TorchClassifier):
        return classifier
    kind = "an nn.Module" if isinstance(classifier, nn.Module) else f"a {type(classifier).__name__}"
    raise ModelError(
        f"looking inside needs a torch network as a classifier, got {kind}, which names no blocks and gives no "
        "gradients; load the trained network itself (`load_model`), or wrap an nn.Module in `TorchClassifier`"
    )


def require_gradients(classifier: Classifier) -> DifferentiableClassifier:
    """Returns the classifier when it gives gradients.

    Raises:
        ModelError: It does not.
    """
    if not isinstance(classifier, DifferentiableClassifier):
        raise ModelError(
            f"a {type(classifier).__name__} gives no gradients with respect to its image; give a torch network "
            "(a model folder, a timm model, an nn.Module)"
        )
    return classifier


def require_images(classifier: Classifier, images_nchw: torch.Tensor) -> torch.Tensor:
    """Returns the images as float32 when they fit the classifier.

    Raises:
        DataError: Another shape, no image, or values that are not finite.
    """
    expected, shape = classifier.input_shape, tuple(images_nchw.shape)
    if len(shape) != 4 or shape[1:] != expected:
        raise DataError(
            f"images must have the shape (N, {', '.join(map(str, expected))}), got {shape}; "
            "pass them through `classifier.prepare` first"
        )
    if not shape[0]:
        raise DataError("no image was given; give at least one")
    if not bool(torch.isfinite(images_nchw).all()):
        raise DataError("images hold values that are NaN or infinite")
    return images_nchw.detach().to(torch.float32)


def class_place(classifier: Classifier, label: str | int) -> int:
    """Returns the place of a class among the outputs.

    Raises:
        ConfigError: There is no such class; the nearest name is told.
    """
    names = classifier.class_names
    if isinstance(label, str):
        return names.index(require_in("class", label, names))
    place = require_positive_int("class", label, low=0)
    if place >= len(names):
        raise ConfigError(f"`class` must be below {len(names)}, the number of classes, got {place}")
    return place


def largest_outputs(outputs_nk: torch.Tensor, *, named: str = "the model") -> torch.Tensor:
    """Returns the place of the largest output of each image, (n,).

    Args:
        outputs_nk: (n, K).
        named: What an error calls the classifier.

    Raises:
        NumericalError: Outputs are NaN; `argmax` would take NaN for the largest.

    Example:
        >>> largest_outputs(torch.tensor([[0.2, 0.8], [0.9, 0.1]])).tolist()
        [1, 0]
    """
    bad = outputs_nk.isnan().any(dim=1)
    if bool(bad.any()):
        raise NumericalError(f"{named} gives NaN for {int(bad.sum())} of {len(bad)} images, so that it names no class")
    return outputs_nk.argmax(dim=1)


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
        NumericalError: The classifier has to be asked and gives NaN.

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
        return largest_outputs(outputs).cpu().numpy().astype(np.int64)
    if isinstance(targets, (str, int, np.integer)):
        return np.full(n, class_place(classifier, targets if isinstance(targets, str) else int(targets)), np.int64)
    asked = targets.tolist() if isinstance(targets, (np.ndarray, torch.Tensor)) else list(targets)
    if len(asked) != n:
        raise ConfigError(f"`targets` must name one class, or one for each of the {n} images, got {len(asked)}")
    fraction = next((k for k in asked if not isinstance(k, str) and int(k) != k), None)
    if fraction is not None:
        raise ConfigError(f"classes must be names or whole numbers, got {fraction}")
    return np.array([class_place(classifier, k if isinstance(k, str) else int(k)) for k in asked], np.int64)
