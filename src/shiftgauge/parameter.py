"""One quantity that varies: its name, its distribution, its unit and the value at which it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from shiftgauge.distributions import freeze, normalise
from shiftgauge.errors import SpaceError
from shiftgauge.types import FloatArray

EDGE: Final = 1e-12
"""Unit values are kept this far inside (0, 1), so that unbounded marginals stay finite."""
_RESERVED: Final = ("distribution", "unit", "nominal")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One quantity that varies, with its marginal distribution.

    Args:
        name: What the parameter is called, the name of a shift or of a table column.
        distribution: One of `shiftgauge.distributions.DISTRIBUTIONS`.
        options: The distribution's own options, in the parameter's unit.
        unit: Physical unit, for display ("" when dimensionless).
        nominal: The value at which nothing is changed. Left open, a shift takes its catalogue's identity
            value, anything else its median.

    Raises:
        SpaceError: Unknown distribution or option, inverted or equal limits, a value that is no number.

    Example:
        >>> tilt = Parameter(name="tilt", distribution="uniform", options={"low": -20, "high": 20}, unit="°")
        >>> tilt.ppf(np.array([0.0, 0.5, 1.0])).round(6).tolist()
        [-20.0, 0.0, 20.0]
    """

    name: str
    distribution: str
    options: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    nominal: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise SpaceError(f"a parameter needs a name, got {self.name!r}")
        object.__setattr__(self, "options", normalise(self.name, self.distribution, self.options))
        if self.nominal is not None and (
            not isinstance(self.nominal, (int, float)) or isinstance(self.nominal, bool) or np.isnan(self.nominal)
        ):
            raise SpaceError(f"`{self.name}`: `nominal` must be a number, got {self.nominal!r}")
        if not self.is_fixed and self.levels is None and not self._is_plainly_uniform:
            _ = self.frozen  # refuses a marginal without a finite, positive variance

    @property
    def _is_plainly_uniform(self) -> bool:
        """Whether the marginal needs no scipy object, which takes a millisecond to make: much for 3,000 inputs."""
        return self.distribution == "uniform" and 0 < (self.options["high"] - self.options["low"]) ** 2 < np.inf

    @property
    def nominal_value(self) -> float:
        """The nominal value; where it is left open, the fixed value or the median."""
        if self.is_fixed:
            return float(self.options["value"])
        return float(self.ppf(np.array(0.5))) if self.nominal is None else float(self.nominal)

    @property
    def is_fixed(self) -> bool:
        """Whether the parameter has one value only."""
        return self.distribution == "fixed"

    @property
    def levels(self) -> tuple[FloatArray, FloatArray] | None:
        """The values and probabilities of a `choice`, ascending; None for a continuous marginal."""
        if self.distribution != "choice":
            return None
        return np.asarray(self.options["values"], float), np.asarray(self.options["probabilities"], float)

    @cached_property
    def frozen(self) -> Any:
        """The scipy.stats frozen distribution of a continuous marginal."""
        return freeze(self.distribution, self.options)

    @property
    def mean(self) -> float:
        """Expected value."""
        if self.is_fixed:
            return float(self.options["value"])
        if self.levels is not None:
            return float(self.levels[0] @ self.levels[1])
        return float(self.frozen.mean())

    @property
    def variance(self) -> float:
        """Variance (0 for a fixed parameter)."""
        if self.is_fixed:
            return 0.0
        if self.levels is not None:
            return float((self.levels[0] - self.mean) ** 2 @ self.levels[1])
        return float(self.frozen.var())

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value; may be infinite."""
        if self.is_fixed:
            return float(self.options["value"]), float(self.options["value"])
        if self.levels is not None:
            return float(self.levels[0][0]), float(self.levels[0][-1])
        low, high = self.frozen.support()
        return float(low), float(high)

    def display_range(self, coverage: float = 0.99) -> tuple[float, float]:
        """A finite range for figures: the support, or the central `coverage` where it is unbounded."""
        low, high = self.support
        tail = (1 - coverage) / 2
        edges = self.ppf(np.array([tail, 1 - tail]))
        return (low if np.isfinite(low) else float(edges[0])), (high if np.isfinite(high) else float(edges[1]))

    def ppf(self, unit_n: np.ndarray) -> FloatArray:
        """Quantile function: values in [0, 1], any shape → physical values, same shape."""
        u = np.asarray(unit_n, float)
        if self.is_fixed:
            return np.full(u.shape, float(self.options["value"]))
        if self.levels is not None:
            values, probabilities = self.levels
            edges = np.cumsum(probabilities)[:-1]
            return values[np.searchsorted(edges, u, side="right")]
        if self.distribution == "uniform":
            low, high = self.options["low"], self.options["high"]
            return low + (high - low) * u
        return np.asarray(self.frozen.ppf(np.clip(u, EDGE, 1 - EDGE)), float)

    def cdf(self, value_n: np.ndarray) -> FloatArray:
        """Distribution function; for a `choice` the middle of the value's probability step."""
        x = np.asarray(value_n, float)
        if self.is_fixed:
            return np.full(x.shape, 0.5)
        if self.levels is not None:
            values, probabilities = self.levels
            index = np.abs(x[..., None] - values).argmin(axis=-1)
            return (np.cumsum(probabilities) - probabilities / 2)[index]
        return np.asarray(self.frozen.cdf(x), float)

    def describe(self) -> str:
        """One phrase for people, such as "uniform on [-90, 90] °"."""
        unit = f" {self.unit}" if self.unit else ""
        o = self.options
        if self.is_fixed:
            return f"fixed at {o['value']:g}{unit}"
        if self.levels is not None:
            return "one of " + ", ".join(f"{v:g}" for v in o["values"]) + unit
        if self.distribution in ("uniform", "loguniform"):
            return f"{self.distribution} on [{o['low']:g}, {o['high']:g}]{unit}"
        return f"{self.distribution} ({', '.join(f'{k} {v:g}' for k, v in o.items())}){unit}"

    def to_dict(self) -> dict[str, Any]:
        """The parameter as it stands in a YAML file, without its name."""
        entry = {"distribution": self.distribution, **self.options, "unit": self.unit}
        return entry if self.nominal is None else {**entry, "nominal": self.nominal}

    @classmethod
    def from_dict(cls, name: str, entry: Mapping[str, Any] | Sequence[float] | float) -> Parameter:
        """Builds a parameter from a YAML entry; `distribution` may be left out for `value`, `values` or `low`/`high`.

        `[low, high]` is uniform, a number is fixed.

        Example:
            >>> Parameter.from_dict("tilt", {"low": -20, "high": 20}).distribution
            'uniform'
            >>> Parameter.from_dict("tilt", [-20, 20]) == Parameter.from_dict("tilt", {"low": -20, "high": 20})
            True
        """
        if isinstance(entry, (list, tuple)) and len(entry) == 2:
            entry = {"low": entry[0], "high": entry[1]}
        elif isinstance(entry, (int, float)) and not isinstance(entry, bool):
            entry = {"value": entry}
        if not isinstance(entry, Mapping):
            raise SpaceError(
                f"`{name}`: expected options such as {{low: 0, high: 1}}, [low, high] or a number, got {entry!r}"
            )
        options = {key: value for key, value in entry.items() if key not in _RESERVED}
        kind = entry.get("distribution")
        if kind is None:
            kind = "fixed" if "value" in options else "choice" if "values" in options else "uniform"
        return cls(
            name=name,
            distribution=str(kind),
            options=options,
            unit=entry.get("unit") or "",
            nominal=entry.get("nominal"),
        )
