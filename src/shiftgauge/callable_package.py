"""Packages that are a public function as well, such as `shiftgauge.train(...)` and `shiftgauge.explain(...)`.

Importing a module of such a package puts the package under its name in `shiftgauge`, so it must be callable itself.
"""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


def make_callable(package: str) -> None:
    """Makes a package `shiftgauge.NAME` pass on calls to `shiftgauge.studies.NAME.NAME`.

    Args:
        package: Its full name; the function is imported on the first call.
    """
    name = package.rpartition(".")[2]

    class _CallablePackage(ModuleType):
        # The package, which passes on a call, and what help() and inspect.signature() ask for.

        @property
        def __call__(self) -> Callable[..., Any]:
            return getattr(import_module(f"shiftgauge.studies.{name}"), name)

        @property
        def __signature__(self) -> inspect.Signature:
            return inspect.signature(self.__call__)

        @property
        def __doc__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
            first, _, rest = (inspect.getdoc(self.__call__) or "").partition("\n\n")
            return "\n".join([first, "", f"shiftgauge.{name}(", *_lines(self.__signature__), ")", "", rest])

    sys.modules[package].__class__ = _CallablePackage


def _lines(signature: inspect.Signature) -> list[str]:
    """One line for each parameter, without its type, which the text says in words."""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    named = [p.kind is p.KEYWORD_ONLY for p in plain]
    lines = [f"    {p}," for p in plain]
    return lines if True not in named else [*lines[: named.index(True)], "    *,", *lines[named.index(True) :]]
