"""Makes torchvision importable beside a torch build that it was not compiled for."""

import importlib
import sys

import torch

from shiftgauge.errors import ModelError

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_KEPT: list[torch.library.Library] = []


def prepare_torchvision() -> bool:
    """Imports torchvision, and declares two operator schemas when its plain import fails.

    timm imports torchvision. Where torch is a CPU build and torchvision came from the default
    package index (a CUDA build), torchvision's compiled operators cannot be loaded, and its import
    stops because Python code registers a shape rule for `torchvision::nms`, which then does not
    exist. Declaring the schema of that operator (and of its quantised twin) is enough for the
    import: nothing that classifies an image calls it, and calling it would still be an error.
    The declaration is made only after the plain import has failed, so a matching pair of builds is
    left untouched.

    Returns:
        True when the schemas had to be declared, False when the plain import works.

    Raises:
        ModelError: torchvision is absent, or fails for another reason.

    Example:
        >>> _ = prepare_torchvision()
        >>> import torchvision
    """
    if "torchvision" in sys.modules:
        return bool(_KEPT)
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise ModelError(f"torchvision cannot be imported: {_first_line(error)}") from error
    except ImportError as error:
        raise ModelError(f"torchvision cannot be imported: {_first_line(error)}") from error
    else:
        return False
    _declare_schemas()
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]  # left half imported by the failure
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, ImportError) as error:
        raise ModelError(f"torchvision cannot be imported: {_first_line(error)}") from error
    return True


def _declare_schemas() -> None:
    if _KEPT:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        name = schema.partition("(")[0]
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _KEPT.append(library)  # the declaration lives as long as this object


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
