"""A batch in parts: each goes through the layers and back on its own, several side by side."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from shiftgauge.engine.layer import Layer, named_parameters
from shiftgauge.engine.workers import side_by_side
from shiftgauge.engine.workspace import Mode, Workspace


class Pass:
    """One part of a batch on its way through the layers and back, with memory of its own.

    Args:
        layers: What it goes through.
        device: Where the work is done.
        gradient: Vector where the weights' gradients are added up; None for passes that do not train.
    """

    def __init__(self, layers: Layer, device: torch.device, gradient: Tensor | None = None) -> None:
        self._layers = layers
        self._gradients = None if gradient is None else views(gradient, named_parameters(layers))
        self._mode = Mode(generator=torch.Generator(device))
        self.workspace = Workspace(self._mode)

    def evaluate(self, x: Tensor, *, keep: bool) -> Tensor:
        """Images, channels last → outputs, as the trained network gives them; `keep` where `backward` follows."""
        self._mode.training, self._mode.keep, self._mode.gradients = False, keep, None
        return self._layers.forward(x, self.workspace)

    def train(self, x: Tensor, draw: int) -> Tensor:
        """Images, channels last → outputs while training; `draw` decides what dropout drops."""
        self._mode.training = self._mode.keep = True
        self._mode.gradients = self._gradients
        if self._mode.generator is not None:
            self._mode.generator.manual_seed(draw)
        return self._layers.forward(x, self.workspace)

    def backward(self, grad: Tensor, *, wants_input_gradient: bool) -> Tensor:
        """∂L/∂outputs → ∂L/∂images, channels last; after `train` the weights' gradients are added up on the way."""
        self.workspace.wants_input_gradient = wants_input_gradient
        return self._layers.backward(grad, self.workspace)


class Passes:
    """As many passes as there are threads, kept from batch to batch.

    Args:
        layers: What the parts go through.
        gradient: Vector for the first pass's gradients; the other passes have vectors of their own.
        part_images: Largest number of images in a part.
    """

    def __init__(self, layers: Layer, gradient: Tensor, part_images: int) -> None:
        self._layers, self._part_images = layers, part_images
        self._lock = threading.Lock()
        self._gradients = [gradient]
        self._passes = [Pass(layers, gradient.device, gradient)]

    @property
    def n_bytes(self) -> int:
        """Bytes that the layers hold for the parts of a batch, so far."""
        return sum(one.workspace.n_bytes for one in self._passes)

    def zero_gradients(self) -> None:
        """Before a batch."""
        for gradient in self._gradients:
            gradient.zero_()

    def add_gradients(self) -> None:
        """After a batch: all gradients are added to the first pass's."""
        for other in self._gradients[1:]:
            self._gradients[0].add_(other)

    def run(self, count: int, work: Callable[[Pass, slice], None], *, whole: bool = False) -> None:
        """Cuts a batch into parts and calls `work` for each.

        Which part goes to which pass depends on numbers alone, so the same call adds up in the same order. Calls from
        several threads wait for one another.

        Args:
            count: Images of the batch, ≥ 0.
            work: Called with a pass and the rows of a part, on a thread of the pass's own where there are several.
            whole: Leave the batch in one piece.
        """
        device = self._gradients[0].device
        threads = torch.get_num_threads() if device.type == "cpu" else 1
        streams = 1 if whole else max(1, min(threads, count // self._part_images))
        parts = 1 if whole else min(count, streams * math.ceil(count / (streams * self._part_images)))
        rows = [slice(*edge) for edge in pairwise(count * k // max(parts, 1) for k in range(parts + 1))]

        def stream(k: int) -> None:
            with torch.inference_mode():
                for part in rows[k::streams]:
                    work(self._passes[k], part)

        with self._lock:
            while len(self._passes) < streams:
                self._gradients.append(torch.zeros_like(self._gradients[0]))
                self._passes.append(Pass(self._layers, device, self._gradients[-1]))
            side_by_side(stream, streams)


def views(vector: Tensor, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cuts a vector into views of the shapes given."""
    parts = vector.split([value.numel() for value in named.values()])
    return {name: part.view(value.shape) for (name, value), part in zip(named.items(), parts, strict=True)}
