"""Values of a user's function at the rows of a growing design: each computed once, the first ones checked twice."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.values import call_function, require_names
from shiftgauge.types import FloatArray, OutputsNQ, ThetaNP

Function: TypeAlias = Callable[[ThetaNP], FloatArray]
"""Physical values (n, P) → values (n,) or (n, Q)."""
Progress: TypeAlias = Callable[[int, int, int], None]
"""Called with the number of the round (from 1), the evaluations done, and those that the round ends with."""
REPEATED: Final = 8
"""Rows that are evaluated a second time, to see whether the function gives the same again."""
_NUMBERS: Final = 4_000_000
_SAME: Final = 1e-4
"""Share of an output's spread below which a difference counts as rounding."""


class FunctionSample:
    """Values of the function at the rows of a nested design, each computed once.

    Args:
        function: What is studied.
        names: Of its outputs; None for `y`, or `y1` … `yQ`.
        chunk: Most rows that the function is given at once.
        progress: Called after every chunk; None or False for nothing.
        repeats: Rows of the first chunk that are evaluated a second time.
    """

    def __init__(
        self,
        function: Function,
        names: Sequence[str] | None,
        chunk: int | None,
        progress: Progress | bool | None,
        repeats: int = REPEATED,
    ) -> None:
        if not callable(function):
            raise ConfigError(
                f"`function` must take rows of values and return outputs, got {type(function).__name__}; values that "
                "are there already go to `analyse`, or to `rank_indices`"
            )
        if progress is True or not (progress is None or progress is False or callable(progress)):
            raise ConfigError(
                "`progress` must be a function of (round, evaluations done, evaluations the round ends with), got "
                f"{progress!r}; such as `lambda *numbers: print(numbers)`"
            )
        self._function, self._progress, self._repeats = function, progress or None, repeats
        self._chunk = None if chunk is None else require_positive_int("chunk", chunk)
        self._wanted = None if names is None else require_names("outputs", names)
        self._parts: list[OutputsNQ] = []
        self._round = 0
        self.repeated = 0
        self.status: tuple[Status, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, once something was evaluated."""
        width = self._parts[0].shape[1]
        if self._wanted is None:
            return ("y",) if width == 1 else tuple(f"y{q + 1}" for q in range(width))
        return self._wanted

    def values(self, design: PickFreezeDesign | PlainDesign) -> OutputsNQ:
        """Values at all rows of the design (n_rows, Q)."""
        done, total = sum(map(len, self._parts)), design.n_rows
        step = self._chunk or max(1, _NUMBERS // design.inputs.n_inputs)
        self._round += done < total
        for start in range(done, total, step):
            stop = min(start + step, total)
            theta = design.rows(start, stop).theta
            self._parts.append(self._call(theta, start))
            if start == 0 and self._repeats:
                self._compare(theta[: self._repeats])
            if self._progress is not None:
                self._progress(self._round, stop, total)
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0][:total]

    def _call(self, theta: ThetaNP, start: int) -> OutputsNQ:
        n, rows = len(theta), f"rows {start} to {start + len(theta) - 1} of the design"
        found = call_function(self._function, theta, rows)
        found = found[:, None] if found.ndim == 1 else found
        width = self._parts[0].shape[1] if self._parts else found.shape[-1] if found.ndim == 2 else 0
        if found.shape != (n, width) or not width:
            raise DataError(_wrong_shape(found, n, self._parts[0].shape[1] if self._parts else None))
        if self._wanted is not None and len(self._wanted) != width:
            names = f"{len(self._wanted)} output{'s' if len(self._wanted) > 1 else ''}"
            raise DataError(f"`outputs` names {names}, but the function returned {width}")
        return found

    def _compare(self, theta: ThetaNP) -> None:
        """Notes a status where the first rows give other values when asked again."""
        first = self._parts[0]
        again = self._call(theta, 0)
        self.repeated = len(theta)
        known = np.where(np.isfinite(first), first, np.nan)
        spread = np.array([np.ptp(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in known.T])
        slack = _SAME * spread + 1e-9 * np.abs(first[: len(theta)])
        with np.errstate(invalid="ignore"):
            same = (np.abs(again - first[: len(theta)]) <= slack) | (again == first[: len(theta)])
        same |= np.isnan(again) & np.isnan(first[: len(theta)])
        if same.all():
            return
        q = int(np.flatnonzero(~same.all(axis=0))[0])
        row = int(np.flatnonzero(~same[:, q])[0])
        text = (
            f"the function gave {first[row, q]:.6g} and then {again[row, q]:.6g} for `{self.names[q]}` at the same "
            "inputs: it is random, or a row's value depends on the other rows; seed it within each call, or average "
            "repeats, since what chance does is counted as interactions"
        )
        self.status = (Status(level="warning", code="not_repeatable", message=text),)


def _wrong_shape(found: FloatArray, n: int, width: int | None) -> str:
    shape = f"the shape {found.shape}"
    if found.ndim == 0:
        shape = "a single number"
    elif found.ndim == 2 and found.shape[1] == 1:
        shape = f"{len(found)} values"
    elif found.ndim == 2 and found.shape[1] == n:
        shape += "; transposed?"
    outputs = f"{width} outputs" if width else "outputs"
    return f"the function must return {n} values, one for each row it was given, or {n} rows of {outputs}; got {shape}"
