"""Training: images to batches, losses, schedules, augmentation, the fit; then thresholds, metrics and calibration.

The package is also the public function: `shiftgauge.train(...)` is `shiftgauge.studies.train.train`. Importing a module
of the package puts the package under that name in `shiftgauge`, so it must be callable itself.
"""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    # The package, which passes on a call, and what help() and inspect.signature() ask for.

    @property
    def __call__(self) -> Callable[..., Any]:
        return import_module("shiftgauge.studies.train").train

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.__call__)

    @property
    def __doc__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        first, _, rest = (inspect.getdoc(self.__call__) or "").partition("\n\n")
        return "\n".join([first, "", "shiftgauge.train(", *_lines(self.__signature__), ")", "", rest])


def _lines(signature: inspect.Signature) -> list[str]:
    """One line for each parameter, without its type, which the text says in words."""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    named = [p.kind is p.KEYWORD_ONLY for p in plain]
    lines = [f"    {p}," for p in plain]
    return lines if True not in named else [*lines[: named.index(True)], "    *,", *lines[named.index(True) :]]


sys.modules[__name__].__class__ = _CallableModule
