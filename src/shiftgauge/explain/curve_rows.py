"""The images that the curves of one image are made of: pixels taken away and given back, in several orders."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.explain.baselines import baseline_images
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.files import hash_array
from shiftgauge.random import generator
from shiftgauge.types import FloatArray


class CurveRows:
    """What is shown to a network for the curves of one image, made when it is asked for.

    Both ends of the curves are the same in every order, so that they are shown once: the image, and both baselines.

    Args:
        image_chw: Pixels in [0, 1].
        importance: (H, W), larger for more important.
        options: How curves are drawn.
    """

    def __init__(self, image_chw: torch.Tensor, importance: FloatArray, options: CurveOptions) -> None:
        whole = image_chw[None]
        names = (options.deletion_baseline, options.insertion_baseline)
        self._image = image_chw
        self._empty = [baseline_images(whole, name, blur_px=options.blur_px)[0] for name in names]
        rng = generator(options.seed, "curves", hash_array(image_chw.cpu().numpy()))
        self._ranks = torch.from_numpy(ranks(importance, options.random_orders, rng))
        self.counts = np.rint(np.linspace(0, importance.size, options.steps + 1)).astype(np.int64)
        inner = [int(count) for count in self.counts[1:-1]]
        orders = range(1 + options.random_orders)
        self._rows = [(kind, order, count) for kind in (0, 1) for order in orders for count in inner]

    def __len__(self) -> int:
        return 3 + len(self._rows)

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """Gives all images (n, C, H, W), n ≤ size: the image itself, both baselines, then the inner points."""
        yield from torch.stack([self._image, *self._empty]).split(size)
        for start in range(0, len(self._rows), size):
            yield torch.stack([self._row(*row) for row in self._rows[start : start + size]])

    def curves(self, scores: npt.NDArray[np.float64]) -> FloatArray:
        """Scores of all images in that order → axes (deletion or insertion, order, step)."""
        plain, no_deletion, no_insertion = scores[:3]
        inner = scores[3:].reshape(2, len(self._ranks), len(self.counts) - 2)
        ends = np.array([[plain, no_deletion], [no_insertion, plain]])
        left, right = (np.broadcast_to(ends[:, None, side, None], (*inner.shape[:2], 1)) for side in (0, 1))
        return np.concatenate([left, inner, right], axis=2)

    def _row(self, kind: int, order: int, count: int) -> torch.Tensor:
        first = self._ranks[order] < count
        shown = first if kind else ~first
        return torch.where(shown.to(self._image.device), self._image, self._empty[kind])


def ranks(importance: FloatArray, random_orders: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Returns the place of each pixel in the order of importance, and in random orders.

    Args:
        importance: (H, W), larger for more important; equal values come in a random order.
        random_orders: How many, R.
        rng: Of the random orders.

    Returns:
        Axes (1 + R, y, x), 0 for the pixel that comes first.

    Example:
        >>> ranks(np.array([[1.0, 3.0, 2.0]]), 0, np.random.default_rng(0)).tolist()
        [[[2, 0, 1]]]
    """
    n = importance.size
    found = np.empty((1 + random_orders, n), np.int64)
    order = np.lexsort((rng.permutation(n), -importance.ravel()))
    found[0, order] = np.arange(n)
    for r in range(random_orders):
        found[1 + r] = rng.permutation(n)
    return found.reshape(1 + random_orders, *importance.shape)
