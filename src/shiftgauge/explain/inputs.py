"""What can be looked inside: a torch network as a classifier, and images that fit it."""

from __future__ import annotations

import torch
from torch import nn

from shiftgauge.errors import DataError, ModelError
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Classifier


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


def scale_of(network: TorchClassifier) -> torch.Tensor:
    """How much one unit of [0, 1] is in input scale, 1 / std, axes (C, 1, 1)."""
    return 1 / torch.tensor(network.preprocessing.std, dtype=torch.float32)[:, None, None]
