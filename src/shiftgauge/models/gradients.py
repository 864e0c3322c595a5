"""Gradients of a network as plain arrays: what derivative-based measures are computed from."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from torch import nn

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ModelError
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS
from shiftgauge.types import DifferentiableClassifier, FloatArray, OutputsNQ, ThetaNP

Gradient = Callable[[ThetaNP], tuple[OutputsNQ, FloatArray]]
_BATCH: Final = 256


def module_gradient(module: nn.Module, *, batch_size: int = _BATCH) -> Gradient:
    """Turns a network of tabular inputs into a function that gives values and gradients.

    Args:
        module: (n, P) → (n, Q) or (n,), each row by itself. It runs in evaluation mode, in the type and on the device
            of its own parameters; mode and flags are restored after every call, and its parameters get no gradients.
        batch_size: Rows in one forward pass, ≥ 1.

    Returns:
        A function: rows (n, P) → values (n, Q) and gradients (n, Q, P), float64.

    Example:
        >>> net = nn.Linear(2, 1, bias=False)
        >>> values, gradients = module_gradient(net)(np.ones((3, 2)))
        >>> values.shape, gradients.shape, net.weight.grad
        ((3, 1), (3, 1, 2), None)
        >>> bool(np.allclose(gradients[0, 0], net.weight.detach().numpy()[0]))
        True
    """
    require_positive_int("batch_size", batch_size)

    def run(theta_np: ThetaNP) -> tuple[OutputsNQ, FloatArray]:
        first = next(module.parameters(), None)
        like = torch.empty(0) if first is None else first
        with evaluation_mode(module):
            return _batched(module, np.asarray(theta_np), batch_size, like.device, like.dtype)

    return run


def pixel_gradient(
    classifier: DifferentiableClassifier,
    quantity: Callable[[torch.Tensor], torch.Tensor] | None = None,
    *,
    batch_size: int = 32,
) -> Gradient:
    """Turns a classifier into a function of its pixels that gives values and gradients.

    Args:
        classifier: Any differentiable classifier.
        quantity: Logits (n, K) → what is measured (n, Q) or (n,), inside the autograd graph. Default: the logits.
        batch_size: Images in one forward pass, ≥ 1.

    Returns:
        A function: rows of pixels in [0, 1] (n, C·H·W) → values (n, Q) and gradients (n, Q, C·H·W), float64.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> values, gradients = pixel_gradient(c, lambda z: z.softmax(dim=1)[:, 0])(np.full((5, 12), 0.5))
        >>> values.shape, gradients.shape
        ((5, 1), (5, 1, 12))
    """
    require_positive_int("batch_size", batch_size)
    shape = classifier.input_shape

    def values(flat: torch.Tensor) -> torch.Tensor:
        logits = classifier.logits_with_grad(flat.reshape(-1, *shape))
        return logits if quantity is None else quantity(logits)

    def run(theta_np: ThetaNP) -> tuple[OutputsNQ, FloatArray]:
        return _batched(values, np.asarray(theta_np), batch_size, torch.device("cpu"), torch.float32)

    return run


def _batched(
    function: Callable[[torch.Tensor], torch.Tensor],
    theta: np.ndarray,
    batch_size: int,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[OutputsNQ, FloatArray]:
    if theta.ndim != 2 or not len(theta):
        raise ModelError(f"gradients need rows of inputs (n, P) with n ≥ 1, got an array of shape {theta.shape}")
    values, gradients = [], []
    for start in range(0, len(theta), batch_size):
        rows = torch.tensor(theta[start : start + batch_size], device=device, dtype=dtype, requires_grad=True)
        with torch.enable_grad(), _named(tuple(rows.shape)):
            out = function(rows)
            out = out[:, None] if out.ndim == 1 else out
            if out.ndim != 2 or len(out) != len(rows):
                raise ModelError(f"the model must give one row of values for each of {len(rows)}, got {out.shape}")
            slopes = [_slope(out, q, rows) for q in range(out.shape[1])]
        values.append(out.detach().double().cpu().numpy())
        gradients.append(torch.stack(slopes, dim=1).double().cpu().numpy())
    return np.concatenate(values), np.concatenate(gradients)


def _slope(out: torch.Tensor, q: int, rows: torch.Tensor) -> torch.Tensor:
    # rows do not see one another, so the gradient of the sum holds each row's own
    if not out.requires_grad:
        return torch.zeros_like(rows)
    last = q == out.shape[1] - 1
    (slope,) = torch.autograd.grad(out[:, q].sum(), rows, retain_graph=not last, allow_unused=True)
    return torch.zeros_like(rows) if slope is None else slope


@contextlib.contextmanager
def _named(shape: tuple[int, ...]) -> Iterator[None]:
    try:
        yield
    except ModelError:
        raise
    except FORWARD_ERRORS as error:
        raise ModelError(f"the model fails on inputs of the shape {shape}: {one_line(error)}") from error
