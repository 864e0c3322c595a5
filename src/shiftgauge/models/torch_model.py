"""A torch network as a classifier: run as it is, or as a faster copy; with gradients and named blocks."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.blocks import Block, find_blocks, in_run_order, list_blocks, weighted_parts
from shiftgauge.models.capture import Recorder, reducer, require_all
from shiftgauge.models.conversion import convert, evaluation_mode, has_compiler, snapshot
from shiftgauge.models.fingerprint import hash_module
from shiftgauge.models.output_kind import sample_images
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS, ImageClassifier, as_matrix
from shiftgauge.types import Execution

_MAX_COPIES = 2


class TorchClassifier(ImageClassifier):
    """Wraps an `nn.Module`; satisfies `DifferentiableClassifier`.

    The module given is not changed: a snapshot (deep copy) is put on the device, in evaluation mode, with frozen
    parameters. Where a module cannot be copied, it is used itself, on its own device, and its mode and flags are
    restored after every call; only the plain execution is then offered.

    Args:
        module: The network: normalised images (N, C, H, W) → (N, K).
        preprocessing: How images reach it.
        device: Where to run.
        classes: Names of the classes, as `resolve_class_names` takes them.
        output_kind: `logits`, `probabilities` or None to detect.
        source: JSON-able facts for the record.
        offer_compiled: Offer compiled executions too.
        owned: The caller hands the module over, so that no snapshot is needed.

    Raises:
        ModelError: The network fails on sample images or is no classifier.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> c.n_classes, c.output_kind
        (3, 'logits')
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        preprocessing: Preprocessing,
        device: torch.device,
        classes: Any = None,
        output_kind: str | None = None,
        source: dict[str, object] | None = None,
        offer_compiled: bool = False,
        owned: bool = False,
    ) -> None:
        content = hash_module(module)
        self._module, self._owned, self._device = snapshot(module, device, owned=owned)
        facts = {
            **(source or {}),
            "architecture": type(module).__name__,
            "n_parameters": sum(p.numel() for p in module.parameters()),
            "device": str(self._device),
        }
        super().__init__(preprocessing=preprocessing, source=facts, content=content)
        self._offer_compiled = offer_compiled and self._owned and has_compiler(self._device)
        self._copies: dict[tuple[bool, str, bool], Callable[[torch.Tensor], Any]] = {}
        self._recorders: dict[tuple[Any, ...], Recorder] = {}
        self._main_blocks: tuple[str, ...] | None = None
        self._lock = threading.Lock()
        self._usable: dict[tuple[bool, str, bool], bool] = {}
        self._settle(classes, output_kind)

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the network's blocks, as `module.get_submodule` takes them.

        The direct parts of the network that hold weights, in order; a container (Sequential, ModuleList) stands for
        its parts; parts with vectors of weights alone (normalisations) are left out.
        """
        return tuple(weighted_parts(self._module))

    @property
    def main_blocks(self) -> tuple[str, ...]:
        """The blocks that cut the network's depth, as `find_blocks` finds them, in the order in which they are run."""
        if self._main_blocks is None:
            self._main_blocks = find_blocks(self._module, self._samples())
        return self._main_blocks

    def blocks_in_order(self, names: Sequence[str]) -> tuple[str, ...]:
        """Returns names of parts in the order in which the network runs them; parts that it does not run come last.

        Raises:
            ModelError: The network has no such part, or it is named twice.
        """
        return in_run_order(self._module, self._samples(), names)

    @property
    def module(self) -> nn.Module:
        """The network that is run: the snapshot, in evaluation mode."""
        return self._module

    @property
    def owned(self) -> bool:
        """Whether it is a snapshot that nobody else changes."""
        return self._owned

    @property
    def device(self) -> torch.device:
        """Where it is run."""
        return self._device

    def executions(self, batch_sizes: Sequence[int]) -> list[Execution]:
        """The ways in which the network can be run, the plain float32 one first.

        Layouts and precisions under which the network fails on one image are left out. How close their outputs are to
        the plain ones is for the caller to measure.
        """
        variants = [v for v in self._variants() if self._works(v)]
        threads = torch.get_num_threads() if self._device.type == "cpu" and self._owned else 1
        if threads > 1:
            variants += [replace(v, streams=threads) for v in variants]
        return [replace(v, batch_size=b) for v in [Execution(), *variants] for b in batch_sizes]

    def block_shapes(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Shape of what each named block gives for one image.

        Raises:
            ModelError: An unknown block, or one that does not give one tensor with a row for each image.
        """
        return {block.name: block.shape for block in self._blocks(names)}

    def block_channel_axes(self, names: Sequence[str]) -> dict[str, int]:
        """Axis of the channels in the shape of what each named block gives for one image.

        Raises:
            ModelError: An unknown block, or one that does not give one tensor with a row for each image.
        """
        return {block.name: block.channel_axis for block in self._blocks(names)}

    def outputs_and_blocks(
        self,
        images_nchw: torch.Tensor,
        names: Sequence[str],
        reduce: Callable[[str, torch.Tensor], torch.Tensor],
        execution: Execution | None = None,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Runs the network once and returns its outputs and what is made of the outputs of named blocks.

        The copy that is run is the execution's own, with nothing folded or fused across the end of a block; of a
        compiled one, the same without compilation.

        Args:
            images_nchw: (N, C, H, W) of `input_shape`, values in [0, 1].
            names: Module paths of the blocks.
            reduce: (name, what the block gave (n, ...)) → what is kept of it (n, k); called while the network runs, so
                that at most one block's output is held.
            execution: How to run it; default plain float32.

        Returns:
            Outputs (N, K) as of `outputs`, and name → (N, k), in the order of `names`.

        Raises:
            ModelError: The images have another shape, the network fails, or a block gives no tensor of images.
        """
        self._check_images(images_nchw)
        chosen = replace(execution or Execution(), compiled=False)
        recorder = self._recorder(chosen, tuple(names))
        rows, kept = [], []
        for part in images_nchw.split(chosen.batch_size):
            found: dict[str, torch.Tensor] = {}
            with recorder.into(reducer(found, reduce, len(part))):
                rows.append(self._run(part, chosen, lambda i, e: self._through(recorder.network, i, e)))
            require_all(found, names)
            kept.append(found)
        return torch.cat(rows), {n: torch.cat([found[n] for found in kept]).to(images_nchw.device) for n in names}

    def logits_with_grad(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Runs the plain float32 network inside the autograd graph of the images.

        Parameters receive no gradients. Probabilities are returned as logarithms, logits up to a constant per image.

        Args:
            images_nchw: (N, C, H, W) of `input_shape`, values in [0, 1].

        Returns:
            float32 (N, K) logits.

        Raises:
            ModelError: The images have another shape or the network fails.
        """
        self._check_images(images_nchw)
        shape = tuple(images_nchw.shape)
        with evaluation_mode(self._module), torch.enable_grad():
            try:
                raw = self._module(self._preprocessing.normalise(images_nchw.to(self._device)))
            except FORWARD_ERRORS as error:
                raise ModelError(f"the model fails on images of the shape {shape}: {one_line(error)}") from error
            outputs = getattr(raw, "logits", raw)
            as_matrix(outputs, shape[0], self.n_classes)
            return self._as_logits(outputs.to(device=images_nchw.device, dtype=torch.float32))

    def _as_logits(self, outputs_nk: torch.Tensor) -> torch.Tensor:
        tiny = torch.finfo(torch.float32).tiny
        return outputs_nk.clamp_min(tiny).log() if self.output_kind == "probabilities" else outputs_nk

    def _blocks(self, names: Sequence[str]) -> tuple[Block, ...]:
        return list_blocks(self._module, self._samples(), names)

    def _samples(self) -> torch.Tensor:
        return self._preprocessing.normalise(sample_images(self.input_shape, 2).to(self._device))

    def _forward(self, images_nchw: torch.Tensor, execution: Execution) -> Any:
        return self._through(self._network(execution), images_nchw, execution)

    def _through(self, network: Callable[[torch.Tensor], Any], images_nchw: torch.Tensor, execution: Execution) -> Any:
        frame = contextlib.nullcontext() if self._owned else evaluation_mode(self._module)
        with torch.inference_mode(), frame:
            images = self._preprocessing.normalise(images_nchw.to(self._device))
            dtype = torch.bfloat16 if execution.precision == "bfloat16" else torch.float32
            layout = torch.channels_last if execution.channels_last else torch.contiguous_format
            return network(images.to(dtype).contiguous(memory_format=layout))

    def __getstate__(self) -> dict[str, Any]:
        """Travels to another process without its converted copies."""
        return {**self.__dict__, "_copies": {}, "_recorders": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes up what `__getstate__` gave."""
        vars(self).update(state)
        self._lock = threading.Lock()

    def _recorder(self, execution: Execution, names: tuple[str, ...]) -> Recorder:
        """The copy of an execution that tells what blocks give."""
        plain = not self._owned or (execution.channels_last, execution.precision) == (False, "float32")
        key = (names,) if plain else (execution.channels_last, execution.precision, names)
        with self._lock:
            if key not in self._recorders:
                while len(self._recorders) >= _MAX_COPIES:
                    del self._recorders[next(iter(self._recorders))]
                network = self._module if plain else self._converted_copy(execution, names)
                self._recorders[key] = Recorder(network, names)
            return self._recorders[key]

    def _network(self, execution: Execution) -> Callable[[torch.Tensor], Any]:
        with self._lock:
            return self._converted(execution)

    def _converted(self, execution: Execution) -> Callable[[torch.Tensor], Any]:
        key = (execution.channels_last, execution.precision, execution.compiled)
        if key == (False, "float32", False) or not self._owned:
            return self._module
        if key not in self._copies:
            while len(self._copies) >= _MAX_COPIES:
                del self._copies[next(iter(self._copies))]
            self._copies[key] = self._converted_copy(execution)
        else:
            self._copies[key] = self._copies.pop(key)  # the last used stays longest
        return self._copies[key]

    def _converted_copy(self, execution: Execution, taps: Sequence[str] = ()) -> Any:
        with torch.inference_mode(mode=False):
            return convert(self._module, execution, self._samples().clone(), taps)

    def _variants(self) -> list[Execution]:
        if not self._owned:
            return []
        reduced = self._device.type == "cpu" or (self._device.type == "cuda" and torch.cuda.is_bf16_supported())
        found = [Execution(channels_last=True)]
        if reduced:
            found.append(Execution(channels_last=True, precision="bfloat16"))
        if self._offer_compiled:
            found += [replace(v, compiled=True) for v in tuple(found)]
        return found

    def _works(self, execution: Execution) -> bool:
        key = (execution.channels_last, execution.precision, execution.compiled)
        if key not in self._usable:
            try:
                self._run(sample_images(self.input_shape, 1), execution)
                self._usable[key] = True
            except ModelError:
                self._usable[key] = False
        return self._usable[key]
