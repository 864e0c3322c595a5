"""Any Python callable as a classifier."""

from collections.abc import Callable
from typing import Any

import torch

from shiftgauge.files import hash_bytes
from shiftgauge.models.fingerprint import LIMITS, hash_callable
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.wrapper import ImageClassifier
from shiftgauge.types import Execution


class CallableClassifier(ImageClassifier):
    """Wraps a function from normalised images to outputs.

    Args:
        function: Takes a float32 tensor (N, C, H, W), after the preprocessing's mean and std, on the
            device; gives a tensor or an array (N, K).
        preprocessing: How images reach it.
        device: Where the images are put; default the CPU.
        classes: Names of the classes, as `resolve_class_names` takes them.
        output_kind: `logits`, `probabilities` or None to detect.
        fingerprint: Text that identifies what the function computes; None for a hash of its source
            and captured values, whose limits the description states.

    Raises:
        ModelError: The function fails on sample images or is no classifier.

    Example:
        >>> def bright(images):
        ...     m = images.mean(dim=(1, 2, 3))
        ...     return torch.stack([1 - m, m], dim=1)
        >>> c = CallableClassifier(bright, preprocessing=Preprocessing(height=2, width=2), fingerprint="bright 1")
        >>> c.output_kind
        'probabilities'
    """

    def __init__(
        self,
        function: Callable[[torch.Tensor], Any],
        *,
        preprocessing: Preprocessing,
        device: torch.device | None = None,
        classes: Any = None,
        output_kind: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        content = hash_callable(function) if fingerprint is None else hash_bytes(b"stated", fingerprint.encode())
        name = getattr(function, "__qualname__", type(function).__qualname__)
        source: dict[str, object] = {
            "kind": "callable",
            "name": f"{getattr(function, '__module__', '')}.{name}",
            "fingerprint_from": LIMITS if fingerprint is None else "stated",
        }
        super().__init__(preprocessing=preprocessing, source=source, content=content)
        self._function = function
        self._device = device or torch.device("cpu")
        self._settle(classes, output_kind)

    def _forward(self, images_nchw: torch.Tensor, execution: Execution) -> Any:
        with torch.no_grad():
            return self._function(self._preprocessing.normalise(images_nchw.to(self._device, torch.float32)))
