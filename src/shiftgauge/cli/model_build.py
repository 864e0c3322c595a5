"""From a checked section `model` of any configuration to the classifier."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from shiftgauge.cli.config import MODEL_KINDS, ModelSection, PreprocessingSection
from shiftgauge.cli.reader import LoadedFile

if TYPE_CHECKING:
    from shiftgauge.types import Classifier

_NAMED_WEIGHTS: Final = ("random", "pretrained")


def load_section_model(
    loaded: LoadedFile,
    section: ModelSection,
    *,
    device: str,
    trust: bool,
    compiled: bool = False,
    at: tuple[str, ...] = ("model",),
) -> Classifier:
    """Loads the model of a section `model` of any configuration.

    Args:
        loaded: The file, for paths and messages.
        section: The section.
        device: `auto`, `cpu`, `cuda` …
        trust: Open model files that run code when opened.
        compiled: Insist on a compiled copy of the network.
        at: Where the section stands in the file.

    Raises:
        ShiftgaugeError: Whatever is wrong with it, as one line.
    """
    from shiftgauge.models.load import load_model

    if section.factory is not None and str(loaded.folder) not in sys.path:
        sys.path.insert(0, str(loaded.folder))
    with loaded.at(*at):
        values = _model_values(loaded, section) | ({"compile": True} if compiled else {})
        return load_model(values, trust=trust, device=None if device == "auto" else device)


def _model_values(loaded: LoadedFile, section: ModelSection) -> dict[str, Any]:
    kind = next(k for k in MODEL_KINDS if getattr(section, k) is not None)
    values: dict[str, Any] = {
        "kind": "embedded" if kind == "demo" else kind,
        "arguments": section.arguments,
        "output_kind": None if section.output == "auto" else section.output,
        "preprocessing": preprocessing_keys(section.preprocessing) or None,
    }
    target = getattr(section, kind)
    if kind == "demo":
        values["name"] = "efficientnet_lite0"
    elif kind in ("timm", "factory"):
        values |= {"name": target, "weights_by": section.weights_by, "weights": _weights(loaded, section)}
    else:
        values["path"] = loaded.resolve(target)
    if section.num_classes is not None:
        values["num_classes"] = section.num_classes
    if isinstance(section.classes, str) and section.classes != "imagenet-1k":
        values["classes"] = loaded.resolve(section.classes)
    elif section.classes is not None:
        values["classes"] = section.classes
    return values


def _weights(loaded: LoadedFile, section: ModelSection) -> Any:
    if section.weights is None or (section.timm is not None and section.weights in _NAMED_WEIGHTS):
        return section.weights
    return loaded.resolve(section.weights)


def preprocessing_keys(section: PreprocessingSection) -> dict[str, Any]:
    """The keys of `Preprocessing` that a section states."""
    values = section.model_dump(exclude_none=True)
    size = values.pop("size", None)
    if size is not None:
        values["height"], values["width"] = size if isinstance(size, list) else (size, size)
    if "crop" in values:
        values["crop_fraction"] = values.pop("crop")
    return values
