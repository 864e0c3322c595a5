"""The images of a data set, decoded and resized once, within a limit of memory."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import torch

from shiftgauge.errors import DataError
from shiftgauge.types import Classifier


class ImageSource(Protocol):
    """What an evaluation needs from a data set; `shiftgauge.data` provides it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """True class of each image (n,), an index into `class_names`."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    def __len__(self) -> int: ...

    def load(self, index: int) -> np.ndarray:
        """Image as float32 (C, H, W) in [0, 1]."""
        ...


class PreparedImages:
    """Images ready to be shifted, kept in memory up to a limit and decoded again beyond it.

    Args:
        source: The data set.
        classifier: Its `prepare` resizes the images, unless `native`.
        native: Keep the stored pixels; they are resized after the shifts.
        memory_bytes: Limit of the cache; the images used longest ago are dropped first.

    Raises:
        DataError: No images.
    """

    def __init__(
        self, source: ImageSource, classifier: Classifier, *, native: bool = False, memory_bytes: int = 1 << 30
    ) -> None:
        if len(source) == 0:
            raise DataError("the data set holds no images")
        self._source: Final = source
        self._classifier: Final = classifier
        self._native: Final = native
        self._limit: Final = memory_bytes
        self._held = 0
        self._lock: Final = threading.Lock()
        self._cache: OrderedDict[int, torch.Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._source)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to another process without the decoded images."""
        return _prepared, (self._source, self._classifier, self._native, self._limit)

    def one(self, index: int) -> torch.Tensor:
        """Returns image `index` as float32 (C, H, W) in [0, 1]."""
        with self._lock:
            return self._one(index)

    def _one(self, index: int) -> torch.Tensor:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        image = torch.from_numpy(np.array(self._source.load(index), np.float32))
        if not self._native:
            image = self._classifier.prepare(image[None])[0]
        self._cache[index] = image
        self._held += image.numel() * image.element_size()
        while self._held > self._limit and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._held -= dropped.numel() * dropped.element_size()
        return image

    def groups(self, indices: Sequence[int]) -> list[tuple[np.ndarray, torch.Tensor]]:
        """Gathers images into batches of equal size: a list of (positions, images (n, C, H, W))."""
        images = [self.one(int(i)) for i in indices]
        shapes = [tuple(image.shape) for image in images]
        return [
            (
                np.array([p for p, s in enumerate(shapes) if s == shape]),
                torch.stack([image for image, s in zip(images, shapes, strict=True) if s == shape]),
            )
            for shape in dict.fromkeys(shapes)
        ]


def _prepared(source: ImageSource, classifier: Classifier, native: bool, memory_bytes: int) -> PreparedImages:
    return PreparedImages(source, classifier, native=native, memory_bytes=memory_bytes)
