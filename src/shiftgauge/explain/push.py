"""The driver of all maps: every pixel of an image is pushed, and what each block answers is reduced to two numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from math import isqrt
from typing import Final

import numpy as np
import torch

from shiftgauge.errors import ConfigError, ModelError, ShiftgaugeError
from shiftgauge.explain.batching import batch_for
from shiftgauge.explain.forward_mode import MISSING_DERIVATIVE, forward_differentiable
from shiftgauge.explain.window_change import Change, Way, part_of
from shiftgauge.explain.windows import Pushed, pushed_network
from shiftgauge.models.capture import block_outputs
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.device import full_precision
from shiftgauge.models.inputs import require_images, require_network
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS
from shiftgauge.types import Classifier

Progress = Callable[[int, int], None]
"""Called with (pushes done, pushes in all) after every batch."""
Fields = Callable[[torch.Tensor], Sequence[torch.Tensor]]
"""One image (C, H, W) in [0, 1] → how far each of its values is pushed, in input scale, (C, H, W) for each side."""

_SIDES: Final = (1, 2, 4, 8, 16)
"""Sides of the tiles of pixels that are pushed in one batch."""
_USUAL_SIDE: Final = 4
_MOST_PIXELS: Final = 2**22
"""Of the images that one batch stands for: some parts of a network may need them whole."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the blocks answer to every push.

    Args:
        norm: Norm of what changed, float32, axes (side, image, block, channel, y, x).
        signed: Change of the norm, same axes.
        block_norm: Norm of each block's output for the image at rest, axes (image, block).
        blocks: Names of the blocks, in the order in which the network runs them.
        batch_size: Pushes in one batch.
        local: Whether only what a push can reach was computed.
        evaluations: Pushes in all.
        seconds: Time that they took.
    """

    norm: np.ndarray
    signed: np.ndarray
    block_norm: np.ndarray
    blocks: tuple[str, ...]
    batch_size: int
    local: bool
    evaluations: int
    seconds: float


def answers(
    classifier: Classifier,
    images_nchw: torch.Tensor,
    fields: Fields,
    *,
    blocks: Sequence[str] | None = None,
    together: bool = False,
    way: Way | None = None,
    rows: tuple[int, int] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Answers:
    """Pushes every pixel of every image and collects what each block answers.

    Args:
        classifier: A torch network as a classifier.
        images_nchw: Images (N, C, H, W) of its input shape, values in [0, 1].
        fields: How far each value is pushed.
        blocks: Module paths in any order; default the classifier's main blocks.
        together: Push all channels of a pixel at once instead of one after another.
        way: Differences (default) or derivatives.
        rows: First row of pixels that is pushed, and the one after the last; default all.
        batch_size: Pushes in one batch, ≥ 1; None finds the fastest by a trial on a tile of the first image, or
            takes tiles of 4×4 pixels where a trial would cost more than a tenth of the pushes.
        progress: Called after every batch.

    Raises:
        ConfigError: Rows that are not in the images.
        ModelError: No torch network, an unknown block, or one that gives no tensor of images.
        DataError: Images of another shape, none, or not finite.
    """
    network = require_network(classifier)
    images = require_images(classifier, images_nchw)
    band, chosen, started = rows_of(rows, images.shape[2]), way or Way(), time.perf_counter()
    forward = forward_differentiable() if chosen.is_derivative else nullcontext()
    frame = evaluation_mode(network.module)
    with frame, torch.no_grad(), full_precision(), forward, _named_failure(tuple(images.shape)):
        names = network.main_blocks if blocks is None else network.blocks_in_order(blocks)
        if not names:
            raise ModelError("the network has no blocks that are found by themselves; name them in `blocks`")
        run = _Run(network, images, names, fields, together, chosen, band, progress)
        run.size = run.batch(batch_size)
        for index in range(len(images)):
            run.image(index)
    return Answers(
        norm=run.norm,
        signed=run.signed,
        block_norm=run.block_norm,
        blocks=names,
        batch_size=run.size,
        local=run.pushed.local,
        evaluations=run.total,
        seconds=time.perf_counter() - started,
    )


@dataclass(kw_only=True)
class _Kept:
    """The answers of one batch."""

    norm: dict[str, torch.Tensor] = field(default_factory=dict)
    signed: dict[str, torch.Tensor] = field(default_factory=dict)


class _Run:
    """One pass over the images."""

    def __init__(
        self,
        network: TorchClassifier,
        images: torch.Tensor,
        names: tuple[str, ...],
        fields: Fields,
        together: bool,
        way: Way,
        band: slice,
        progress: Progress | None,
    ) -> None:
        module = network.module
        first = next(module.parameters(), None)
        self.device = torch.device("cpu") if first is None else first.device
        self.normalise, self.images, self.names = network.preprocessing.normalise, images, names
        self.fields, self.together, self.way, self.progress = fields, together, way, progress
        channels, height, width = images.shape[1], band.stop - band.start, images.shape[3]
        self.rows, self.band = 1 if together else channels, band
        sample = self._normalised(0)
        block_outputs(module, sample, names)  # names a block that cannot be used
        self.pushed: Pushed = pushed_network(module, names, sample, way)
        sides = len(fields(images[0]))
        shape = (sides, len(images), len(names), self.rows, height, width)
        self.norm, self.signed = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.block_norm = np.zeros((len(images), len(names)))
        self.total, self.done, self.size = sides * len(images) * self.rows * height * width, 0, 1

    def image(self, index: int) -> None:
        """Pushes every pixel of one image."""
        rest = self.pushed.at_rest(self._normalised(index))
        norms: dict[str, torch.Tensor] = {}
        for side, amounts in enumerate(self.fields(self.images[index])):
            amounts = amounts[:, self.band].to(self.device, torch.float32)
            for rows, columns in _tiles(amounts.shape[1:], isqrt(max(1, self.size // self.rows))):
                corner = (self.band.start + rows.start, columns.start)
                kept = self._tile(rest, norms, amounts[:, rows, columns], corner, self.size)
                for b, name in enumerate(self.names):
                    place = (side, index, b, slice(None), rows, columns)
                    shape = self.norm[place].shape
                    self.norm[place] = kept.norm[name].reshape(shape).cpu().numpy()
                    self.signed[place] = kept.signed[name].reshape(shape).cpu().numpy()
                self.done += self.rows * amounts[0, rows, columns].numel()
                if self.progress is not None:
                    self.progress(self.done, self.total)
        self.block_norm[index] = [float(norms[name]) for name in self.names]

    def batch(self, given: int | None) -> int:
        """The batch that is asked for, or the fastest by pushing a tile in the middle of the first image."""
        height, width = self.images.shape[2:]
        rest = cache(lambda: (self.pushed.at_rest(self._normalised(0)), {}))
        amounts = cache(lambda: self.fields(self.images[0])[0][:, self.band].to(self.device, torch.float32))

        def run(size: int) -> int:
            tiles = list(_tiles(amounts().shape[1:], isqrt(size // self.rows)))
            across = sum(rows.start == 0 for rows, _ in tiles)
            rows, columns = tiles[len(tiles) // across // 2 * across + across // 2]
            part = amounts()[:, rows, columns]
            self._tile(*rest(), part, (self.band.start + rows.start, columns.start), size)
            return self.rows * part[0].numel()

        most = max(self.rows, _MOST_PIXELS // (height * width))
        sizes = [self.rows * s * s for s in _SIDES if s <= max(height, width) and self.rows * s * s <= most]
        usual = [size for size in sizes if size <= self.rows * _USUAL_SIDE**2][-1]
        tried = [size for size in sizes if size > self.rows] or sizes  # single pixels are never fastest
        return batch_for(self.total, run, given, candidates=tried, usual=usual, device=self.device)

    def _tile(
        self, rest: object, norms: dict[str, torch.Tensor], amounts: torch.Tensor, corner: tuple[int, int], size: int
    ) -> _Kept:
        parts: list[_Kept] = []
        for values in _pushes(amounts, self.together).split(size):
            kept = _Kept()
            push = Change(values.contiguous(memory_format=torch.channels_last), corner)
            self.pushed.respond(rest, push, self.way, lambda *a, kept=kept: self._reduce(norms, kept, *a))  # pyright: ignore
            parts.append(kept)
        if len(parts) == 1:
            return parts[0]
        names = self.names
        return _Kept(
            norm={name: torch.cat([p.norm[name] for p in parts]) for name in names},
            signed={name: torch.cat([p.signed[name] for p in parts]) for name in names},
        )

    def _reduce(
        self, norms: dict[str, torch.Tensor], kept: _Kept, name: str, change: Change, given: torch.Tensor
    ) -> None:
        r"""Reduces what changed of a block to ‖Δ‖ and ‖B + Δ‖ − ‖B‖ = (2⟨B, Δ⟩ + ‖Δ‖²) / (‖B + Δ‖ + ‖B‖)."""
        if name not in norms:
            norms[name] = torch.linalg.vector_norm(given.double())
        base = norms[name]
        values, before = change.values, part_of(given, change)
        if values.ndim == 4:
            values, before = values.permute(0, 2, 3, 1), before.permute(0, 2, 3, 1)
        flat = values.reshape(len(values), -1)
        norm = torch.linalg.vector_norm(flat, dim=1)
        inner = torch.mv(flat, before.reshape(-1).to(flat.dtype)).double()
        if self.way.is_derivative:
            signed = torch.where(base > 0, inner / base, norm.double())
        else:
            square = norm.double().square()
            after = (base.square() + 2 * inner + square).clamp(min=0).sqrt()
            signed = (2 * inner + square) / (after + base).clamp(min=torch.finfo(torch.float64).tiny)
        kept.norm[name], kept.signed[name] = norm, signed.float()

    def _normalised(self, index: int) -> torch.Tensor:
        return self.normalise(self.images[index : index + 1].to(self.device))


def rows_of(rows: tuple[int, int] | None, height: int) -> slice:
    """The rows of pixels that are pushed.

    Args:
        rows: First, and the one after the last; None for all.
        height: Rows of an image.

    Raises:
        ConfigError: There are no such rows.
    """
    if rows is None:
        return slice(0, height)
    if not 0 <= rows[0] < rows[1] <= height:
        raise ConfigError(f"`rows` must be (first, after the last) within 0 and {height}, got {tuple(rows)}")
    return slice(rows[0], rows[1])


def _pushes(amounts: torch.Tensor, together: bool) -> torch.Tensor:
    """One tile (C, h, w) → one push in each row: (C·h·w, C, h, w), or (h·w, C, h, w) with all channels at once."""
    channels, height, width = amounts.shape
    if together:
        single = torch.diag_embed(amounts.reshape(channels, -1)).transpose(0, 1)
    else:
        single = torch.diag_embed(amounts.reshape(-1))
    return single.reshape(-1, channels, height, width)


def _tiles(shape: Sequence[int], side: int) -> Iterator[tuple[slice, slice]]:
    height, width = shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield slice(top, min(top + side, height)), slice(left, min(left + side, width))


@contextmanager
def _named_failure(shape: tuple[int, ...]) -> Iterator[None]:
    """Turns what a user's network raises into one line."""
    try:
        yield
    except (ShiftgaugeError, MemoryError):
        raise
    except FORWARD_ERRORS as error:
        if any(text in str(error).lower() for text in MISSING_DERIVATIVE):
            raise ModelError(
                "a layer of the network has no forward derivative, so there are no derivative maps of it; take "
                f"perturbation maps with a small `epsilon` instead ({one_line(error)})"
            ) from error
        raise ModelError(f"the network fails on images of the shape {shape}: {one_line(error)}") from error
