"""What a network says of the images of a part: logits, probabilities, and probabilities averaged over views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, softmax
from torch import Tensor, nn

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ModelError, NumericalError
from shiftgauge.models.allocation import kept_memory
from shiftgauge.models.device import choose_device
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.averaging import AveragingOptions, average_probabilities
from shiftgauge.train.images import Part, Progress, Task
from shiftgauge.types import FloatArray

_BATCH: Final = 128


def probabilities(logits_nk: npt.ArrayLike, task: Task, temperature: float = 1.0) -> FloatArray:
    """Logits as probabilities: softmax(z / T) for one class an image, 1 / (1 + exp(-z / T)) for several labels.

    Args:
        logits_nk: z (N, K).
        task: `single` or `multi`.
        temperature: T, in [1e-6, 1e6]; default 1.

    Returns:
        float64 (N, K) in [0, 1].

    Example:
        >>> probabilities([[0.0, 0.0]], "single").tolist(), probabilities([[0.0, 0.0]], "multi").tolist()
        ([[0.5, 0.5]], [[0.5, 0.5]])
    """
    require_in("task", task, ("single", "multi"))
    scaled = np.asarray(logits_nk, np.float64) / require_range("temperature", temperature, 1e-6, 1e6)
    return softmax(scaled, axis=1) if task == "single" else expit(scaled)


def predict_logits(
    network: nn.Module,
    part: Part,
    preprocessing: Preprocessing,
    *,
    batch_size: int = _BATCH,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """Runs a network over every image of a part once, in order, in evaluation mode and without gradients.

    Args:
        network: Takes normalised images (N, C, H, W), gives logits (N, K). It is moved to the device; which of its
            modules were training is left as it was.
        part: The images.
        preprocessing: Its mean and standard deviation are applied on the device.
        batch_size: Images at once, ≥ 1; default 128.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        progress: Called with the images done and their number.

    Returns:
        Logits, float64 (n, K).

    Raises:
        ModelError: The outputs are not one row of logits for each image.
        NumericalError: A logit is NaN or infinite; the message names the image.

    Example:
        >>> from shiftgauge.train.images import HeldPixels
        >>> held = HeldPixels(torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
        >>> part = Part(pixels=held, targets=torch.zeros(3, dtype=torch.int64), names=("a", "b", "c"))
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> predict_logits(network, part, Preprocessing(height=2, width=2, channels=1), device="cpu").shape
        (3, 2)
    """
    place = choose_device(device)

    def outputs(images: Tensor) -> Tensor:
        return _logits(network, preprocessing, images)

    with _resting(network.to(place)), kept_memory(wanted=place.type == "cpu"):
        found = _over(part, outputs, batch_size, place, progress)
    strange = ~np.isfinite(found).all(axis=1)
    if strange.any():
        name = part.names[int(strange.argmax())]
        raise NumericalError(f"the network gives NaN or infinity for {int(strange.sum())} image(s), first for `{name}`")
    return found


def predict_probabilities(
    network: nn.Module,
    part: Part,
    preprocessing: Preprocessing,
    *,
    temperature: float = 1.0,
    averaging: AveragingOptions | None = None,
    batch_size: int = _BATCH,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """Probabilities of every image of a part, calibrated by a temperature and averaged over views.

    Args:
        network: As for `predict_logits`.
        part: The images; its targets say whether one class or several labels are meant.
        preprocessing: As for `predict_logits`.
        temperature: T > 0; the logits of every view are divided by it.
        averaging: The views; None for the image alone.
        batch_size: Images at once, of one view.
        device: As for `predict_logits`.
        progress: Called with the images done and their number.

    Returns:
        float64 (n, K) in [0, 1].

    Raises:
        ConfigError: Quarter turns of oblong images.
        ModelError: The outputs are not one row of logits for each image.
        NumericalError: A logit is NaN or infinite.

    Example:
        >>> from shiftgauge.train.images import HeldPixels
        >>> held = HeldPixels(torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
        >>> part = Part(pixels=held, targets=torch.zeros(3, dtype=torch.int64), names=("a", "b", "c"))
        >>> network, views = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), AveragingOptions(flips=("horizontal",))
        >>> prepared = Preprocessing(height=2, width=2, channels=1)
        >>> found = predict_probabilities(network, part, prepared, averaging=views, device="cpu")
        >>> found.shape, found.sum(axis=1).round(6).tolist()
        ((3, 2), [1.0, 1.0, 1.0])
    """
    if averaging is None or averaging.is_plain:
        logits = predict_logits(network, part, preprocessing, batch_size=batch_size, device=device, progress=progress)
        return probabilities(logits, part.task, temperature)
    place = choose_device(device)

    def predict(images: Tensor) -> Tensor:
        logits = _logits(network, preprocessing, images).cpu().numpy()
        if not np.isfinite(logits).all():
            raise NumericalError("the network gives NaN or infinity for some images; it cannot be averaged")
        return torch.from_numpy(probabilities(logits, part.task, temperature))

    with _resting(network.to(place)), kept_memory(wanted=place.type == "cpu"):
        return _over(
            part, lambda images: average_probabilities(predict, images, averaging), batch_size, place, progress
        )


def _logits(network: nn.Module, preprocessing: Preprocessing, images_nchw: Tensor) -> Tensor:
    found = network(preprocessing.normalise(images_nchw).contiguous(memory_format=torch.channels_last))
    logits = getattr(found, "logits", found)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images_nchw):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(f"the network must give logits of shape ({len(images_nchw)}, K), got {shape}")
    return logits.double() if logits.device.type != "mps" else logits.float()


def _over(
    part: Part, outputs: Callable[[Tensor], Tensor], batch_size: int, place: torch.device, progress: Progress | None
) -> FloatArray:
    require_positive_int("batch_size", batch_size)
    found: list[FloatArray] = []
    done = 0
    with torch.inference_mode():
        for images, _ in part.batches(batch_size):
            found.append(outputs(images.to(place)).cpu().numpy().astype(np.float64))
            done += len(images)
            if progress is not None:
                progress(done, len(part))
    return np.concatenate(found)


@contextmanager
def _resting(network: nn.Module) -> Iterator[None]:
    """Evaluation mode and the layout that is fastest, with what each module was before put back afterwards."""
    before = [(module, module.training) for module in network.modules()]
    try:
        network.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        yield
    finally:
        network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        for module, training in before:
            module.training = training
