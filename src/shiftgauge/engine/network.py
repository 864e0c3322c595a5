"""A network: its weights as one vector, and batches taken through its layers and back in parts."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shiftgauge.checks import require_positive_int
from shiftgauge.engine.initialisation import Initialisation, initialise
from shiftgauge.engine.layer import named_parameters, walk
from shiftgauge.engine.losses import Loss
from shiftgauge.engine.passes import Pass, Passes, views
from shiftgauge.engine.sequential import Sequential
from shiftgauge.engine.summary import LayerSummary, summarise
from shiftgauge.engine.workspace import Shape
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.random import stream_key

_PART_BYTES = 4 * 2**20
"""What the largest output of a layer may take within a part of a batch, so that the part stays in the cache."""


@dataclass(frozen=True, kw_only=True)
class Backpropagated:
    """What one pass forward and back gave beside the gradient.

    Args:
        loss: L of the batch.
        outputs: (N, K).
    """

    loss: float
    outputs: Tensor


class Network:
    """Layers with their weights, run and differentiated without automatic differentiation.

    All weights lie in one vector, and so do their gradients; the layers hold views. An optimiser is then a few lines on
    two vectors.

    A batch is cut into parts of a few images. Each goes forward, to the loss and back before the next one starts, with
    all that it needs in the cache; the gradients add up. On the CPU as many parts as torch has threads are worked on
    side by side. So the memory for what layers keep is that of one part for each thread, whatever the batch: `n_bytes`
    tells it. Layers whose images depend on one another while training (batch normalisation) need the batch in one
    piece.

    Args:
        layers: From the images to the outputs. The network works on a copy, `network.layers`.
        input_shape: Of one image, (C, H, W), or (F,) for rows of numbers.
        initialisation: How the weights are drawn.
        seed: Of the weights.
        dtype: float32, or float64 to check gradients.
        device: Where the weights are and the work is done.
        part_images: Images of a part; default as many as fit in a few megabytes, all of them on a GPU.

    Raises:
        ConfigError: Layers that do not fit one another or the input.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> from shiftgauge.engine.losses import CrossEntropy
        >>> network = Network(Sequential(Linear(2, 3)), input_shape=(2,))
        >>> step = network.backpropagate(torch.ones(4, 2), torch.tensor([0, 1, 2, 0]), CrossEntropy())
        >>> step.outputs.shape, network.gradient.shape
        (torch.Size([4, 3]), torch.Size([9]))
    """

    def __init__(
        self,
        layers: Sequential,
        *,
        input_shape: Sequence[int],
        initialisation: Initialisation = "he_normal",
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        part_images: int | None = None,
    ) -> None:
        if dtype not in (torch.float32, torch.float64):
            raise ConfigError(f"`dtype` must be torch.float32 or torch.float64, got {dtype}")
        self.layers, self.dtype, self.device = copy.deepcopy(layers), dtype, torch.device(device)
        self.input_shape: Shape = tuple(require_positive_int("input_shape", size) for size in input_shape)
        self.output_shape = layers.output_shape(self.input_shape)
        if len(self.output_shape) != 1:
            raise ConfigError(f"a network must end in a row of numbers, got {self.output_shape}; add `Flatten`")
        fitting = self._fitting_images() if part_images is None else part_images
        self.part_images = require_positive_int("part_images", fitting)
        initialise(self.layers, kind=initialisation, seed=seed)
        self._pack()

    @property
    def n_parameters(self) -> int:
        """Numbers that are learned."""
        return self.parameters.numel()

    @property
    def n_bytes(self) -> int:
        """Bytes that the layers hold for the parts of a batch, so far."""
        return self._passes.n_bytes

    @property
    def decayed(self) -> Tensor:
        """1 for weights of products, 0 for biases and the scales of normalisations, (P,): what should decay."""
        parts = [torch.full((value.numel(),), float(value.ndim > 1)) for value in self.named_parameters().values()]
        return torch.cat(parts).to(self.parameters)

    def named_parameters(self) -> dict[str, Tensor]:
        """Path → weights, views of `parameters`."""
        return named_parameters(self.layers)

    def named_buffers(self) -> dict[str, Tensor]:
        """Path → what is kept with the weights but not learned."""
        return {path + name: value for path, layer in walk(self.layers) for name, value in layer.buffers.items()}

    def named_gradients(self) -> dict[str, Tensor]:
        """Path → gradient, views of `gradient`."""
        return views(self.gradient, self.named_parameters())

    def state(self) -> dict[str, Tensor]:
        """Copies of all weights and buffers, by path."""
        return {name: value.clone() for name, value in (self.named_parameters() | self.named_buffers()).items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over weights and buffers from `state()` of a network with the same layers.

        Raises:
            ConfigError: A name is missing or unknown, or a shape differs.
        """
        own = self.named_parameters() | self.named_buffers()
        wrong = sorted(own.keys() ^ state.keys())
        if wrong:
            what = "lacks" if wrong[0] in own else "holds an unknown"
            raise ConfigError(f"the state {what} `{wrong[0]}`; it must be that of a network with the same layers")
        for name, value in own.items():
            if value.shape != state[name].shape:
                raise ConfigError(f"`{name}` must have shape {tuple(value.shape)}, got {tuple(state[name].shape)}")
        for name, value in own.items():
            value.copy_(state[name])

    def summary(self) -> list[LayerSummary]:
        """The layers in order, with the shapes of their outputs and their numbers of parameters."""
        return summarise(self.layers, self.input_shape)

    def outputs(self, images: Tensor) -> Tensor:
        """Runs the network: batch normalisation with its running means, nothing dropped.

        Args:
            images: (N, C, H, W), or (N, F).

        Returns:
            (N, K).

        Raises:
            DataError: The images have another shape.
        """
        batch = self._batch(images)
        found = self._empty((len(batch), *self.output_shape))

        def work(one: Pass, rows: slice) -> None:
            found[rows] = one.evaluate(batch[rows], keep=False)

        self._passes.run(len(batch), work)
        return found

    def backpropagate(self, images: Tensor, targets: Tensor, loss: Loss, *, draw: int = 0) -> Backpropagated:
        """Runs the network in training, and writes ∂L/∂w into `gradient`.

        Args:
            images: (N, C, H, W), or (N, F), N ≥ 1.
            targets: (N, …), as the loss takes them.
            loss: L.
            draw: Decides what dropout drops, ≥ 0; give the number of the step, so that no two are alike.

        Raises:
            DataError: Images, targets or their numbers do not fit.
        """
        batch, targets = self._batch(images), targets.to(self.device)
        if len(targets) != len(batch) or not len(batch):
            raise DataError(f"each image needs its target, got {len(batch)} images and {len(targets)} targets")
        found, denominator = self._empty((len(batch), *self.output_shape)), loss.denominator(targets)
        sums: dict[int, float] = {}

        def work(one: Pass, rows: slice) -> None:
            found[rows] = one.train(batch[rows], stream_key(draw, rows.start))
            sums[rows.start], grad = loss.sum_and_gradient(found[rows], targets[rows])
            one.backward(grad.div_(denominator), wants_input_gradient=False)

        self._passes.zero_gradients()
        self._passes.run(len(batch), work, whole=self._mixes_images)
        self._passes.add_gradients()
        return Backpropagated(loss=math.fsum(sums.values()) / denominator, outputs=found)

    def vjp(self, images: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Runs the network as `outputs` does, and gives the way back to the images.

        What the layers keep is held for as long as that function is.

        Args:
            images: (N, C, H, W), or (N, F).

        Returns:
            Outputs (N, K), and a function from ∂L/∂outputs (N, K) to ∂L/∂images, of the images' shape, for one call.

        Raises:
            DataError: The images have another shape.

        Example:
            >>> from shiftgauge.engine.linear import Linear
            >>> network = Network(Sequential(Linear(2, 1)), input_shape=(2,))
            >>> _ = network.parameters.copy_(torch.tensor([3.0, 4.0, 0.0]))
            >>> outputs, back = network.vjp(torch.ones(1, 2))
            >>> outputs.tolist(), back(torch.ones(1, 1)).tolist()
            ([[7.0]], [[3.0, 4.0]])
        """
        batch = self._batch(images)
        found, held = self._empty((len(batch), *self.output_shape)), {}

        def forth(_: Pass, rows: slice) -> None:
            held[rows.start] = Pass(self.layers, self.device)
            found[rows] = held[rows.start].evaluate(batch[rows], keep=True)

        self._passes.run(len(batch), forth)

        def back(grad: Tensor) -> Tensor:
            if grad.shape != found.shape:
                raise DataError(f"the outputs' gradient must have shape {tuple(found.shape)}, got {tuple(grad.shape)}")
            if len(held) == 0 and len(batch):
                raise DataError("the way back was gone already; call `vjp` again")
            given, slopes = grad.detach().to(found), self._empty(tuple(images.shape))

            def turn(_: Pass, rows: slice) -> None:
                slope = held.pop(rows.start).backward(given[rows], wants_input_gradient=True)
                slopes[rows] = slope.permute(0, 3, 1, 2) if slope.ndim == 4 else slope

            self._passes.run(len(batch), turn)
            return slopes

        return found, back

    @property
    def _mixes_images(self) -> bool:
        return any(layer.mixes_images for _, layer in walk(self.layers))

    def _fitting_images(self) -> int:
        """Images of a part."""
        if self.device.type != "cpu":
            return 2**31
        largest = max(math.prod(line.shape) for line in self.summary())
        return max(1, _PART_BYTES // (largest * self.dtype.itemsize))

    def _pack(self) -> None:
        """Moves all weights into one vector, of which the layers then hold views; buffers go to the device."""
        named = named_parameters(self.layers)
        vector = torch.cat([value.reshape(-1) for value in named.values()] or [torch.zeros(0)])
        self.parameters = vector.to(device=self.device, dtype=self.dtype)
        self.gradient = torch.zeros_like(self.parameters)
        held = views(self.parameters, named)
        for path, layer in walk(self.layers):
            layer.parameters = {name: held[path + name] for name in layer.parameters}
            for name, value in layer.buffers.items():
                layer.buffers[name] = value.to(device=self.device, dtype=self.dtype)
        self._passes = Passes(self.layers, self.gradient, self.part_images)

    def __getstate__(self) -> dict[str, Any]:
        """A copy, here or in another process, makes its vectors and its memory anew."""
        return {k: v for k, v in self.__dict__.items() if k not in ("parameters", "gradient", "_passes")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes up what `__getstate__` gave."""
        self.__dict__.update(state)
        self._pack()

    def _batch(self, images: Tensor) -> Tensor:
        """Images as the layers take them, channels last."""
        if tuple(images.shape[1:]) != self.input_shape:
            wanted = ", ".join(str(size) for size in self.input_shape)
            raise DataError(f"the network takes images of shape (N, {wanted}), got {tuple(images.shape)}")
        batch = images.detach().to(device=self.device, dtype=self.dtype)
        return batch.permute(0, 2, 3, 1) if batch.ndim == 4 else batch

    def _empty(self, shape: Shape) -> Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.device)
