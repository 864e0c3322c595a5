"""Training: images to batches, losses, schedules, augmentation, the fit; then thresholds, metrics and calibration.

The package is also the public function: `shiftgauge.train(...)` is `shiftgauge.studies.train.train`. Importing a module
of the package puts the package under that name in `shiftgauge`, so it must be callable itself.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    """The package, which passes a call on."""

    @property
    def __call__(self) -> Callable[..., Any]:
        return import_module("shiftgauge.studies.train").train


sys.modules[__name__].__class__ = _CallableModule
