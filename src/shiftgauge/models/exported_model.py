"""A torch.export file (.pt2) as a classifier."""

import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.files import hash_file
from shiftgauge.models.archive_safety import check_archive
from shiftgauge.models.padding import run_in_fixed_batches
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.specification import ModelSpec
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import ImageClassifier
from shiftgauge.types import Execution


class ExportedClassifier(ImageClassifier):
    """Wraps an exported program with one image input.

    Export fixes evaluation mode, layout and precision, so the plain execution is the only one.

    Args:
        program: A `torch.export.ExportedProgram`.
        preprocessing: How images reach it.
        device: Where to run.
        content: Content hash of the file.
        classes: Names of the classes, as `resolve_class_names` takes them.
        output_kind: `logits`, `probabilities` or None to detect.
        source: Further facts for the record.

    Raises:
        ModelError: The program takes other inputs than one image tensor, or is no classifier.
    """

    def __init__(
        self,
        program: torch.export.ExportedProgram,
        *,
        preprocessing: Preprocessing,
        device: torch.device,
        content: str,
        classes: Any = None,
        output_kind: str | None = None,
        source: dict[str, object] | None = None,
    ) -> None:
        first = image_input(program).shape[0]
        self._batch = first if isinstance(first, int) else None
        self._device = device
        with quiet_export():
            self._network = program.module().to(device).requires_grad_(False)
        facts: dict[str, object] = {
            "kind": "pt2",
            "fixed_batch": self._batch,
            "device": str(device),
            **(source or {}),
        }
        super().__init__(preprocessing=preprocessing, source=facts, content=content)
        self._settle(classes, output_kind)

    def _forward(self, images_nchw: torch.Tensor, execution: Execution) -> Any:
        with torch.inference_mode():
            images = self._preprocessing.normalise(images_nchw.to(self._device)).contiguous()
            return run_in_fixed_batches(self._network, images, self._batch)


def load_exported(spec: ModelSpec, trust: bool, device: torch.device) -> ExportedClassifier:
    """Opens a `.pt2` file; channels, height and width not stated are read from it.

    torch.export.load falls back to unrestricted unpickling and evaluates expressions in the file as
    Python. So the file is first checked to hold tensors and plain operators alone, unless trusted.

    Args:
        spec: A specification of kind `pt2`.
        trust: Skip that check.
        device: Where to run.

    Raises:
        ModelError: The file is missing or damaged, would run code, or is no image classifier.
    """
    if spec.arguments:
        raise ConfigError("a pt2 model takes no `arguments`")
    file = Path(str(spec.path))
    program = open_program(file, trust=trust)
    shape = image_input(program).shape
    names = ("channels", "height", "width")
    known = {k: v for k, v in zip(names, shape[1:], strict=True) if isinstance(v, int)}
    return ExportedClassifier(
        program,
        preprocessing=spec.resolve_preprocessing(known),
        device=device,
        content=hash_file(file),
        classes=spec.classes,
        output_kind=spec.output_kind,
        source={"path": file.name},
    )


def open_program(file: Path, *, trust: bool) -> torch.export.ExportedProgram:
    """Opens a `.pt2` file that was checked to run no code, or is trusted.

    Raises:
        ModelError: The file is missing or damaged, or would run code.
    """
    if not file.is_file():
        raise ModelError(f"model file {file} does not exist")
    if not trust:
        check_archive(file)
    try:
        with quiet_export():
            return torch.export.load(file)
    except (
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        OSError,
        zipfile.BadZipFile,
    ) as error:
        raise ModelError(f"{file} is not a readable torch.export file: {one_line(error)}") from error


def image_input(program: torch.export.ExportedProgram) -> torch.Tensor:
    """Returns the description (a fake tensor) of the one input of an exported program.

    Raises:
        ModelError: There are several, or it is not a tensor (N, C, H, W).
    """
    names = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    values = [nodes[str(n)].meta.get("val") for n in names if str(n) in nodes]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor) or values[0].ndim != 4:
        shapes = ", ".join(str(tuple(v.shape)) if isinstance(v, torch.Tensor) else type(v).__name__ for v in values)
        raise ModelError(f"the exported model must take one image tensor (N, C, H, W), it takes: {shapes or 'nothing'}")
    return values[0]


@contextmanager
def quiet_export() -> Iterator[None]:
    """Silences what torch.export says about its own internals when a file is opened."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._export", "torch.export.pt2_archive")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
            warnings.filterwarnings("ignore", message=".*buffer is not writable.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
