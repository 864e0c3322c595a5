"""Gradients of a network by a faster copy of it, in which batch normalisations are part of the convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.conversion import fold_batch_norm
from shiftgauge.models.output_kind import sample_images
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS, as_matrix

_COPIES: Final[WeakKeyDictionary[nn.Module, nn.Module | None]] = WeakKeyDictionary()
"""The copy of each network, or None where there is nothing to fold."""


def folded_logits(classifier: TorchClassifier) -> Callable[[torch.Tensor], torch.Tensor]:
    r"""Returns a function like `logits_with_grad`, on a copy whose batch normalisations are folded.

    $$ w' = w\,\gamma/\sqrt{v+\epsilon}, \qquad b' = (b-\mu)\,\gamma/\sqrt{v+\epsilon} + \beta $$

    It is the same function up to float rounding, and one pass over the activations less for each pair of convolution
    and normalisation, forward and back: a fifth of the time for WRN-16-1. The copy is made once for a classifier. A
    network that cannot be traced, or that holds no such pair, runs as it is; so does one that is no snapshot, because
    its weights may change.

    Args:
        classifier: One that runs a torch network.

    Returns:
        Images (n, C, H, W) in [0, 1] → float32 logits (n, K), inside the autograd graph of the images.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
        >>> p = Preprocessing(channels=1, height=4, width=4)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> images = torch.rand(2, 1, 4, 4)
        >>> bool(torch.allclose(folded_logits(c)(images), c.logits_with_grad(images), atol=1e-5))
        True
    """
    copy = _copy_of(classifier) if classifier.owned else None
    if copy is None:
        return classifier.logits_with_grad

    def logits(images_nchw: torch.Tensor) -> torch.Tensor:
        shape = tuple(images_nchw.shape)
        if shape[1:] != classifier.input_shape:
            return classifier.logits_with_grad(images_nchw)  # says what is wrong
        with torch.enable_grad():
            try:
                raw = copy(classifier.preprocessing.normalise(images_nchw.to(classifier.device)))
            except FORWARD_ERRORS as error:
                raise ModelError(f"the model fails on images of the shape {shape}: {one_line(error)}") from error
            outputs = getattr(raw, "logits", raw)
            as_matrix(outputs, len(images_nchw), classifier.n_classes)
            outputs = outputs.to(device=images_nchw.device, dtype=torch.float32)
            tiny = torch.finfo(torch.float32).tiny
            return outputs if classifier.output_kind == "logits" else outputs.clamp_min(tiny).log()

    return logits


def _copy_of(classifier: TorchClassifier) -> nn.Module | None:
    module = classifier.module
    if module not in _COPIES:
        samples = classifier.preprocessing.normalise(sample_images(classifier.input_shape, 2).to(classifier.device))
        with torch.inference_mode(mode=False):
            folded = fold_batch_norm(module, samples.clone())
        _COPIES[module] = None if folded is None else folded.eval().requires_grad_(False)
    return _COPIES[module]
