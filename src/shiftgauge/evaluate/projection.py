"""Few numbers that stand for the whole output of a block: its projections on fixed random directions."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.evaluate.options import BlockOptions
from shiftgauge.random import generator
from shiftgauge.types import BlockClassifier, Classifier

OUTPUT: Final = "output"
"""Name of the network's output among the blocks."""
HELD_BYTES: Final = 256 << 20
"""Signs kept in memory, a byte each; those beyond are drawn again for every batch."""
SPARSE_FROM: Final = 1 << 14
"""Entries from which on each goes into one direction alone."""
_TILE: Final = 1 << 14


@dataclass(frozen=True, kw_only=True)
class BlockProjection:
    r"""Projects what blocks give on k random directions each.

    For a block's output z with D entries, projection j is $y_j = D^{-1/2} \sum_a w_{ja} z_a$ with independent signs
    w = ±1. Over the directions E[w wᵀ] = I, so for every covariance matrix Σ that an index is made of (of z, of
    E[z | x_i], of z given all but x_i) the mean variance of y_j is tr Σ / D: the sums over projections of the
    numerators and of the variances are unbiased for those of the whole output, up to the common factor k / D. The
    relative standard error of each is at most √(2 tr Σ² / k) / tr Σ, what Gaussian directions would have; signs do
    without the part of the diagonal.

    From 16,384 entries on each entry goes into one direction alone, the a-th into direction a mod k, scaled up by √k:
    the sums stay unbiased, neighbours, which are most alike, no longer meet in one direction, and a map is read once
    and not k times (a count sketch). A block with at most k entries is kept as it is.

    Signs depend on seed, block and entry alone: they are the same for every batch, worker and resumed run.

    Args:
        shapes: Block → shape of its output for one image, from input to output.
        directions: k ≥ 2.
        pooled: Take the mean over all axes but the channels first.
        seed: Of the directions.
        channel_axes: Block → axis of its shape that holds the channels; default the first, of two axes the second.

    References:
        Gamboa, F. et al. (2014). Sensitivity analysis for multidimensional and functional outputs.
            doi:10.1214/14-EJS895
        Hutchinson, M. F. (1990). A stochastic estimator of the trace of the influence matrix.
            doi:10.1080/03610919008812866
        Charikar, M., Chen, K., Farach-Colton, M. (2004). Finding frequent items in data streams.
            doi:10.1016/S0304-3975(03)00400-6
    """

    shapes: Mapping[str, tuple[int, ...]]
    directions: int
    pooled: bool
    seed: int
    channel_axes: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Columns of each block."""
        found, start = {}, 0
        for name in self.shapes:
            stop = start + min(self.entries(name), self.directions)
            found[name], start = slice(start, stop), stop
        return found

    @property
    def n_columns(self) -> int:
        """Number of columns of all blocks."""
        return sum(found.stop - found.start for found in self.columns.values())

    def entries(self, name: str) -> int:
        """Number of entries D that are projected."""
        shape = self.shapes[name]
        return shape[self.channel_axis(name)] if self.pooled else math.prod(shape)

    def channel_axis(self, name: str) -> int:
        """Axis of a block's shape that holds its channels."""
        return self.channel_axes.get(name, 1 if len(self.shapes[name]) == 2 else 0)

    def is_exact(self, name: str) -> bool:
        """Whether the block is kept as it is."""
        return self.entries(name) <= self.directions

    def reduce(self, name: str, output: torch.Tensor) -> torch.Tensor:
        """Returns the columns of a block, float32 (N, min(k, D)).

        Args:
            name: The block.
            output: What it gave (N, ...), on any device, in any precision.
        """
        if self.pooled and output.ndim > 2:
            channels = self.channel_axis(name) + 1
            output = output.float().mean(dim=[axis for axis in range(1, output.ndim) if axis != channels])
        flat = output.reshape(len(output), -1)
        if self.is_exact(name):
            return flat.float().clone()
        n, entries, k = *flat.shape, self.directions
        total = torch.zeros(n, k, device=flat.device)
        sparse, step = self.is_sparse(name), self._step
        for start in range(0, entries, step):
            part = flat[:, start : start + step].float()
            signs = self._tile(name, start, flat.device).float()
            if not sparse:
                total += part @ signs
                continue
            part = part * signs
            whole = part.shape[1] // k * k
            total += part[:, :whole].reshape(n, -1, k).sum(dim=1)
            total[:, : part.shape[1] - whole] += part[:, whole:]
        return total * math.sqrt((k if sparse else 1) / entries)

    def is_sparse(self, name: str) -> bool:
        """Whether each entry of the block goes into one direction alone."""
        return self.entries(name) >= SPARSE_FROM

    def directions_of(self, name: str) -> np.ndarray:
        """All directions of a block as one matrix (D, k), so that `reduce` is z @ it; for checks on small blocks."""
        entries, k = self.entries(name), self.directions
        signs = np.concatenate([self._draw(name, start) for start in range(0, entries, self._step)]).astype(float)
        if not self.is_sparse(name):
            return signs / math.sqrt(entries)
        matrix = np.zeros((entries, k))
        matrix[np.arange(entries), np.arange(entries) % k] = signs * math.sqrt(k / entries)
        return matrix

    @property
    def _step(self) -> int:
        """Entries of one tile, a multiple of k."""
        return max(1, _TILE // self.directions) * self.directions

    def _draw(self, name: str, start: int) -> np.ndarray:
        """Signs of the entries from `start` on, as far as one tile goes: int8 (n,), or (n, k)."""
        n = min(self._step, self.entries(name) - start)
        shape = (n,) if self.is_sparse(name) else (n, self.directions)
        size = math.prod(shape)
        drawn = generator(self.seed, "directions", name, self.directions, start).bytes(-(-size // 8))
        bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=size)
        return (bits.astype(np.int8) * 2 - 1).reshape(shape)

    def _tile(self, name: str, start: int, device: torch.device) -> torch.Tensor:
        held = self._held
        with held.lock:
            tile = held.tiles.get((name, start, device))
            if tile is None:
                tile = torch.from_numpy(self._draw(name, start)).to(device)
                if held.size + tile.nbytes <= HELD_BYTES:
                    held.tiles[name, start, device] = tile
                    held.size += tile.nbytes
        return tile

    @cached_property
    def _held(self) -> _Held:
        return _Held()

    def __getstate__(self) -> dict[str, Any]:
        """Travels to another process without its directions."""
        return {key: value for key, value in self.__dict__.items() if key != "_held"}

    def describe(self) -> dict[str, Any]:
        """What decides the columns, for the record and for the identity of a run."""
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        found = {"blocks": shapes, "directions": self.directions, "pooled": self.pooled}
        return found | ({"channel_axes": dict(self.channel_axes)} if self.pooled else {})

    @property
    def text(self) -> str:
        """The blocks and what is kept of them, in a few words."""
        return f"{', '.join(self.shapes)} on {self.directions} directions{' after pooling' if self.pooled else ''}"


class _Held:
    """Directions in memory, shared by the threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tiles: dict[tuple[str, int, torch.device], torch.Tensor] = {}
        self.size = 0


def block_projection(classifier: Classifier, options: BlockOptions, seed: int) -> BlockProjection:
    """Settles which blocks are looked at and what is kept of them; the network's output comes last.

    Raises:
        ConfigError: The model does not show its blocks, or none were found.
        ModelError: An unknown block, or one that does not give one tensor with a row for each image.
    """
    if not isinstance(classifier, BlockClassifier):
        kind = classifier.description.get("kind", type(classifier).__name__)
        raise ConfigError(
            f"`blocks` needs a torch network whose parts can be reached, but the model is of the kind `{kind}`; "
            "leave `blocks` out, or give the model as timm or factory"
        )
    named = classifier.main_blocks if isinstance(options.names, str) else tuple(options.names)
    names = [name for name in named if name != OUTPUT]
    if not names:
        raise ConfigError("no blocks were found in the network; name them, such as blocks: [layer1, layer2]")
    shapes = {**classifier.block_shapes(names), OUTPUT: (classifier.n_classes,)}
    axes = {} if not options.pooled else _channel_axes(classifier, options, shapes)
    return BlockProjection(
        shapes=shapes, directions=options.directions, pooled=options.pooled, seed=seed, channel_axes=axes
    )


def _channel_axes(
    classifier: BlockClassifier, options: BlockOptions, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, int]:
    axes = classifier.block_channel_axes([name for name in shapes if name != OUTPUT])
    if options.layout == "auto":
        return axes
    stated = 0 if options.layout == "nchw" else 2
    return {name: stated if len(shapes[name]) == 3 else axis for name, axis in axes.items()}


def block_values(
    classifier: Classifier, projection: BlockProjection, images_nchw: torch.Tensor, execution: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Runs the network once: its raw outputs (N, K) and the columns of its blocks (N, B).

    Args:
        classifier: One that shows its blocks.
        projection: What is kept of them.
        images_nchw: Images as the classifier takes them.
        execution: How to run it.
    """
    if not isinstance(classifier, BlockClassifier):
        raise ConfigError("the classifier does not show its blocks; make the projection with `block_projection`")
    inside = [name for name in projection.shapes if name != OUTPUT]
    raw, found = classifier.outputs_and_blocks(images_nchw, inside, projection.reduce, execution)
    found[OUTPUT] = projection.reduce(OUTPUT, raw)
    columns = torch.cat([found[name] for name in projection.shapes], dim=1)
    return raw.cpu().numpy(), columns.cpu().numpy()
