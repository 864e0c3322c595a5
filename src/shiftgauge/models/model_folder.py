"""The folder that training writes and every command reads: `model.json` and `weights.safetensors`."""

import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import nn

from shiftgauge import __version__
from shiftgauge.errors import ConfigError, ModelError, StoreError
from shiftgauge.files import write_atomic
from shiftgauge.models.architectures import WEIGHTS_FILE
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_record import SCHEMA_VERSION, ModelRecord
from shiftgauge.models.specification import ModelSpec
from shiftgauge.models.trained_model import TrainedClassifier, TrainedMultiLabelClassifier
from shiftgauge.models.weights import best_names, load_weights, misfit, one_line, read_weights

RECORD_FILE: Final = "model.json"
"""The file that makes a folder a model folder; it is written last."""
_LIBRARIES: Final = ("torch", "timm", "safetensors")
_OWN: Final = ("name", "weights", "num_classes", "output_kind", "fingerprint", "target")


def write_model_folder(folder: str | Path, network: nn.Module, record: ModelRecord) -> Path:
    """Writes a trained network as a folder that every command accepts as a model.

    The weights come first and `model.json`, which holds their hash, last, so that a folder whose writing was
    interrupted is told from a finished one. Other files in the folder are left alone.

    Args:
        folder: Made when absent.
        network: The trained network, as `record.architecture` builds it (a wrapper's prefix of names is removed).
        record: What is known of the model.

    Returns:
        The folder.

    Raises:
        ModelError: The network is not the one that the record describes, or its weights are not finite.
        StoreError: The folder cannot be written to.

    Example:
        >>> from shiftgauge.models.model_record import NetworkOptions
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> options = NetworkOptions(name="resnet18_small", n_classes=2)
        >>> record = ModelRecord(architecture=options, task="single", classes=("good", "bad"),
        ...                      preprocessing=Preprocessing(height=8, width=8))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = write_model_folder(folder, options.build().network, record)
        ...     load_model_folder(folder, "cpu").class_names
        ('good', 'bad')
    """
    target = Path(folder)
    tensors = _checked_tensors(network, record)
    weights = {"file": WEIGHTS_FILE, "sha256": _write_weights(target / WEIGHTS_FILE, tensors)}
    full = record if record.versions else replace(record, versions=_versions())
    content = {"schema_version": SCHEMA_VERSION, **full.to_dict(), "weights": weights}
    write_atomic(target / RECORD_FILE, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return target


def read_model_record(folder: str | Path) -> ModelRecord:
    """Reads what a model folder says of its model, without opening the weights.

    Raises:
        ModelError: No model folder, a damaged `model.json`, or one of a newer version.
    """
    return _read(_home(folder))[0]


def load_model_folder(folder: str | Path, device: str | torch.device | None = None) -> TrainedClassifier:
    """Opens a model folder as a classifier; the temperature is part of its outputs.

    Args:
        folder: What `write_model_folder` wrote.
        device: `cpu`, `cuda`, `mps`, …; default the first there is of cuda, mps, cpu.

    Returns:
        A `TrainedClassifier`, whose outputs are logits; for a model of several labels a
        `TrainedMultiLabelClassifier`, whose outputs are independent probabilities.

    Raises:
        ModelError: A file is missing, damaged, changed since it was written, or of a newer version.
    """
    return load_folder(ModelSpec(kind="folder", path=folder), choose_device(device))


def load_folder(spec: ModelSpec, device: torch.device) -> TrainedClassifier:
    """Opens the model folder of a specification; stated preprocessing and class names replace those of the record.

    Raises:
        ConfigError: The specification states what the folder itself says.
        ModelError: A file is missing, damaged, changed since it was written, or of a newer version.
    """
    for name in _OWN:
        if getattr(spec, name) is not None:
            raise ConfigError(f"`{name}` does not go with a model folder, which says it itself; leave it out")
    if spec.arguments:
        raise ConfigError("`arguments` do not go with a model folder, which says them itself; leave them out")
    folder = _home(str(spec.path))
    record, weights = _read(folder)
    network = _trained_network(folder, record, weights)
    kind = TrainedMultiLabelClassifier if record.task == "multi" else TrainedClassifier
    return kind(
        network,
        record,
        device=device,
        name=f"{folder.resolve().name} ({record.architecture.name})",
        preprocessing=spec.resolve_preprocessing(record.preprocessing.to_dict()),
        classes=spec.classes,
        offer_compiled=spec.compile,
    )


def is_model_folder(path: str | Path) -> bool:
    """Whether a path is a folder that holds `model.json`."""
    return (Path(path) / RECORD_FILE).is_file()


def _home(path: str | Path) -> Path:
    """The folder; who names one of its files means the folder."""
    given = Path(path)
    return given.parent if given.name in (RECORD_FILE, WEIGHTS_FILE) and given.is_file() else given


def _read(folder: Path) -> tuple[ModelRecord, Mapping[str, Any]]:
    """The record and what it says of the weights."""
    file = folder / RECORD_FILE
    if not file.is_file():
        reason = f"{RECORD_FILE} is missing" if folder.is_dir() else "there is no such folder"
        raise ModelError(f"{folder} is no model folder: {reason}; `shiftgauge train` writes one")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {one_line(error)}") from error
    if not isinstance(values, Mapping):
        raise ModelError(f"{file} holds no record of a model")
    version = values.get("schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelError(f"{file} states no `schema_version`; it is no record of a model")
    if version > SCHEMA_VERSION:
        raise ModelError(
            f"{file} has schema version {version}, this shiftgauge reads up to {SCHEMA_VERSION}; upgrade shiftgauge"
        )
    weights = values.get("weights")
    if not isinstance(weights, Mapping) or not all(isinstance(weights.get(k), str) for k in ("file", "sha256")):
        raise ModelError(f"{file}: `weights` must name the file and its sha256")
    try:
        return ModelRecord.from_dict(values), weights
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error


def _trained_network(folder: Path, record: ModelRecord, weights: Mapping[str, Any]) -> nn.Module:
    if Path(weights["file"]).name != weights["file"]:
        raise ModelError(f"{folder / RECORD_FILE}: the weights must lie in the folder itself, got {weights['file']!r}")
    file = folder / weights["file"]
    if not file.is_file():
        raise ModelError(f"{folder} is incomplete: {file.name} is missing; copy the folder again")
    if _sha256(file) != weights["sha256"]:
        raise ModelError(
            f"{file} is not the file that {RECORD_FILE} records: it was damaged, changed, or its writing was "
            "interrupted; copy the folder again or train again"
        )
    try:
        network = record.architecture.build(trained=False).network
    except ConfigError as error:
        raise ModelError(f"{folder / RECORD_FILE}: {error}") from error
    load_weights(network, read_weights(file), str(file))
    return network.eval()


def _checked_tensors(network: nn.Module, record: ModelRecord) -> dict[str, torch.Tensor]:
    """The weights on the CPU under the names of the record's architecture, each with memory of its own."""
    with torch.device("meta"):
        wanted = record.architecture.build(trained=False).network.state_dict()
    named = best_names(wanted, network.state_dict())[1]
    if reason := misfit(named, wanted):
        raise ModelError(f"the network is not the `{record.architecture.name}` that the record describes: {reason}")
    tensors = {name: named[name].detach().to("cpu").contiguous() for name in wanted if name in named}
    for name, values in tensors.items():
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise ModelError(f"the weights `{name}` hold NaN or infinity; the training diverged, lower its rate")
    seen: set[int] = set()
    for name, values in tensors.items():
        if values.numel() and values.data_ptr() in seen:
            tensors[name] = values.clone()
        seen.add(values.data_ptr())
    return tensors


def _write_weights(file: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    """Writes the file whole or not at all; returns its sha256."""
    temporary = ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        os.close(handle)
        safetensors.torch.save_file(dict(tensors), temporary)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        digest = _sha256(Path(temporary))
        os.replace(temporary, file)
    except (OSError, safetensors.SafetensorError) as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise StoreError(f"cannot write {file}: {one_line(error)}") from error
    return digest


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {"shiftgauge": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found
