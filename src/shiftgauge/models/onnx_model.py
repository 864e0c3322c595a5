"""An ONNX file as a classifier, run by onnxruntime."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shiftgauge.checks import require_in, unknown_name
from shiftgauge.errors import ConfigError, MissingExtraError, ModelError
from shiftgauge.files import hash_bytes, hash_file
from shiftgauge.models.padding import run_in_fixed_batches
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.specification import ModelSpec
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import ImageClassifier
from shiftgauge.types import Execution

ONNX_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
"""Types of an input that numbers can be given in."""


class OnnxClassifier(ImageClassifier):
    """Wraps an onnxruntime session with one image input.

    Args:
        session: An `onnxruntime.InferenceSession`.
        preprocessing: How images reach it.
        content: Content hash of the file and of the weights beside it.
        classes: Names of the classes, as `resolve_class_names` takes them.
        output_kind: `logits`, `probabilities` or None to detect.
        output: Name of the output to read; None for the first.
        source: Further facts for the record.

    Raises:
        ModelError: The network takes other inputs than one image tensor, or is no classifier.
    """

    def __init__(
        self,
        session: Any,
        *,
        preprocessing: Preprocessing,
        content: str,
        classes: Any = None,
        output_kind: str | None = None,
        output: str | None = None,
        source: dict[str, object] | None = None,
    ) -> None:
        self._session = session
        self._input = only_input(session)
        names = [o.name for o in session.get_outputs()]
        self._output = require_in("output of the ONNX model", output, names, ModelError) if output else names[0]
        first = self._input.shape[0]
        self._batch = first if isinstance(first, int) and first > 0 else None
        facts: dict[str, object] = {
            "kind": "onnx",
            "output": self._output,
            "fixed_batch": self._batch,
            "providers": list(session.get_providers()),
            **(source or {}),
        }
        super().__init__(preprocessing=preprocessing, source=facts, content=content)
        self._settle(classes, output_kind)

    def _forward(self, images_nchw: torch.Tensor, execution: Execution) -> Any:
        images = self._preprocessing.normalise(images_nchw.cpu())
        return run_in_fixed_batches(self._call, images, self._batch)

    def _call(self, images: torch.Tensor) -> torch.Tensor:
        array = np.ascontiguousarray(images.numpy().astype(ONNX_DTYPES[self._input.type], copy=False))
        try:
            return torch.from_numpy(np.asarray(self._session.run([self._output], {self._input.name: array})[0]))
        except runtime_errors() as error:
            raise ModelError(f"onnxruntime fails on images of the shape {array.shape}: {one_line(error)}") from error


def load_onnx(spec: ModelSpec, device: torch.device) -> OnnxClassifier:
    """Opens an ONNX file; channels, height and width not stated are read from it.

    An ONNX file is data: opening it runs no code of its own.

    Args:
        spec: A specification of kind `onnx`; `arguments` may hold `output`, the output to read.
        device: `cuda` uses onnxruntime's CUDA provider where the installed build has it.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: The file is missing or damaged, or no image classifier.
    """
    for key in spec.arguments:
        if key != "output":
            raise ConfigError(unknown_name("argument of an onnx model", str(key), ["output"]))
    file = Path(str(spec.path))
    session = open_session(file, device)
    output = spec.arguments.get("output")
    return OnnxClassifier(
        session,
        preprocessing=spec.resolve_preprocessing(_shape_defaults(only_input(session).shape)),
        content=hash_onnx(file),
        classes=spec.classes,
        output_kind=spec.output_kind,
        output=None if output is None else str(output),
        source={"path": file.name},
    )


def open_session(file: Path, device: torch.device) -> Any:
    """Opens an ONNX file in onnxruntime.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: The file is missing or damaged.
    """
    runtime = _runtime()
    if not file.is_file():
        raise ModelError(f"model file {file} does not exist")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # the error itself says what is wrong
    options.intra_op_num_threads = torch.get_num_threads()
    providers = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in runtime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    try:
        return runtime.InferenceSession(str(file), options, providers=providers)
    except runtime_errors() as error:
        raise ModelError(f"{file} is not a readable ONNX model: {one_line(error)}") from error


def hash_onnx(file: Path) -> str:
    """Returns the hash of an ONNX file and of the weight files beside it that it names."""
    content = file.read_bytes()
    parts = [hash_file(file).encode()]
    if b"location" in content:  # the key under which weights kept outside are named
        for beside in sorted(p for p in file.parent.iterdir() if p.is_file() and p != file):
            if beside.name.encode() in content:
                parts += [beside.name.encode(), hash_file(beside).encode()]
    return hash_bytes(*parts)


def only_input(session: Any) -> Any:
    """Returns the one input of a session.

    Raises:
        ModelError: There are several, or it is not a floating-point tensor (N, C, H, W).
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(f"the ONNX model takes {len(inputs)} inputs; an image classifier takes one")
    (only,) = inputs
    if only.type not in ONNX_DTYPES or len(only.shape) != 4:
        raise ModelError(
            f"the ONNX model takes {only.type} of {len(only.shape)} axes; images are float tensors (N, C, H, W)"
        )
    return only


def _shape_defaults(shape: list[Any]) -> dict[str, Any]:
    names = ("channels", "height", "width")
    return {k: v for k, v in zip(names, shape[1:], strict=True) if isinstance(v, int) and v > 0}


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnxruntime", "onnx", "an ONNX model") from error


def runtime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoSuchFile",
        "NotImplemented",
        "RuntimeException",
    )
    return (*(getattr(state, name) for name in names if hasattr(state, name)), RuntimeError, ValueError)
