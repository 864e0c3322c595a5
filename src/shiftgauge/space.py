"""What may vary and how likely: named parameters with a distribution, and the space they span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from scipy import stats

from shiftgauge.checks import unknown_name
from shiftgauge.distributions import freeze, normalise
from shiftgauge.errors import SpaceError
from shiftgauge.files import hash_json
from shiftgauge.types import FloatArray, ThetaNP, UnitNP

_RESERVED: Final = ("distribution", "unit", "nominal")
_EDGE: Final = 1e-12
"""Unit values are kept this far inside (0, 1), so that unbounded marginals stay finite."""

_SINGULAR: Final = 1e-8
"""A correlation matrix with an eigenvalue below this ties parameters without any freedom left."""


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
        return np.asarray(self.frozen.ppf(np.clip(u, _EDGE, 1 - _EDGE)), float)

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
    def from_dict(cls, name: str, entry: Mapping[str, Any]) -> Parameter:
        """Builds a parameter from a YAML entry; `distribution` may be left out for `value`, `values` or `low`/`high`.

        Example:
            >>> Parameter.from_dict("tilt", {"low": -20, "high": 20}).distribution
            'uniform'
        """
        if not isinstance(entry, Mapping):
            raise SpaceError(f"`{name}`: expected options such as {{low: 0, high: 1}}, got {entry!r}")
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


class Space:
    """Named parameters and, where wanted, the rank correlation between them.

    Values are tied by a Gaussian copula: a normal vector z with correlation R has u = Φ(z), x = F⁻¹(u),
    where R = 2 sin(π ρ / 6) reproduces the Spearman rank correlation ρ of continuous marginals.

    Args:
        parameters: The parameters, in order; names must differ.
        correlation: Spearman matrix (n_varying, n_varying) over the parameters that vary. Default: independent.

    Raises:
        SpaceError: A name given twice, nothing that varies, or a matrix that is no correlation matrix.

    Example:
        >>> space = Space([Parameter(name="a", distribution="uniform", options={"low": 0, "high": 2})])
        >>> space.to_physical(np.array([[0.25]])).tolist()
        [[0.5]]

    References:
        Nelsen, R. B. (2006). An Introduction to Copulas. doi:10.1007/0-387-28678-0
    """

    def __init__(self, parameters: Sequence[Parameter], correlation: np.ndarray | None = None) -> None:
        self.parameters: Final = tuple(parameters)
        self.names: Final = tuple(p.name for p in self.parameters)
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise SpaceError(f"parameter `{sorted(twice)[0]}` is given twice; names must differ")
        self.varying: Final = tuple(i for i, p in enumerate(self.parameters) if not p.is_fixed)
        if not self.varying:
            raise SpaceError("nothing varies: give at least one parameter a distribution with a spread")
        self.correlation: Final = _checked_correlation(correlation, len(self.varying))
        if self.correlation is not None:
            normal = 2 * np.sin(np.pi * self.correlation / 6)
            np.fill_diagonal(normal, 1.0)
            self._cholesky: Final = _cholesky(normal)

    @property
    def n_parameters(self) -> int:
        """Number of parameters, fixed ones included."""
        return len(self.parameters)

    @property
    def n_varying(self) -> int:
        """Number of parameters that are not fixed: the dimension of the unit cube."""
        return len(self.varying)

    @property
    def varying_names(self) -> tuple[str, ...]:
        """Names of the parameters that are not fixed."""
        return tuple(self.names[i] for i in self.varying)

    @property
    def nominal(self) -> FloatArray:
        """The identity point (n_parameters,): every parameter where it changes nothing."""
        return np.array([p.nominal_value for p in self.parameters], float)

    @property
    def fingerprint(self) -> str:
        """Content hash of the whole space."""
        return hash_json(self.to_dict())

    def to_physical(self, unit_np: UnitNP) -> ThetaNP:
        """Maps points of the unit cube (n, n_varying) to physical values (n, n_parameters)."""
        unit = self._checked(unit_np, self.n_varying, "unit")
        if self.correlation is not None:
            # not by BLAS, whose last bit of a row depends on how many rows there are
            normal = np.einsum("nj,ij->ni", stats.norm.ppf(np.clip(unit, _EDGE, 1 - _EDGE)), self._cholesky)
            unit = stats.norm.cdf(normal)
        theta = np.empty((len(unit), self.n_parameters))
        rest, (columns, places, low, width) = self._uniform
        theta[:, places] = low + width * unit[:, columns]
        for column, index in rest:
            theta[:, index] = self.parameters[index].ppf(unit[:, column])
        for index in set(range(self.n_parameters)) - set(self.varying):
            theta[:, index] = self.parameters[index].nominal_value
        return theta

    @cached_property
    def _uniform(self) -> tuple[list[tuple[int, int]], tuple[np.ndarray, np.ndarray, FloatArray, FloatArray]]:
        """The varying parameters that are not uniform as (column, place), and columns, places, limits of the others."""
        pairs = list(enumerate(self.varying))
        known = [(c, i, self.parameters[i].options) for c, i in pairs if self.parameters[i].distribution == "uniform"]
        rest = [(c, i) for c, i in pairs if self.parameters[i].distribution != "uniform"]
        low = np.array([o["low"] for _, _, o in known])
        width = np.array([o["high"] - o["low"] for _, _, o in known])
        return rest, (np.array([c for c, _, _ in known], int), np.array([i for _, i, _ in known], int), low, width)

    def to_unit(self, theta_np: ThetaNP) -> UnitNP:
        """Maps physical values (n, n_parameters) back to the unit cube (n, n_varying)."""
        theta = self._checked(theta_np, self.n_parameters, "theta")
        unit = np.column_stack([self.parameters[i].cdf(theta[:, i]) for i in self.varying])
        if self.correlation is not None:
            normal = stats.norm.ppf(np.clip(unit, _EDGE, 1 - _EDGE))
            unit = stats.norm.cdf(np.linalg.solve(self._cholesky, normal.T).T)
        return unit

    def __getitem__(self, name: str) -> Parameter:
        """The parameter of that name."""
        if name not in self.names:
            raise SpaceError(unknown_name("parameter", name, self.names))
        return self.parameters[self.names.index(name)]

    def to_dict(self) -> dict[str, Any]:
        """The space as plain values: {"parameters": {name: entry}, "correlation": matrix or None}."""
        return {
            "parameters": {p.name: p.to_dict() for p in self.parameters},
            "correlation": None if self.correlation is None else self.correlation.tolist(),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Space:
        """Builds a space from what `to_dict` gives, or from {name: entry} alone."""
        if not isinstance(entry, Mapping) or not entry:
            raise SpaceError("a space needs at least one entry such as {rotation: {low: -10, high: 10}}")
        inner = entry.get("parameters", entry)
        if not isinstance(inner, Mapping):
            raise SpaceError(f"`parameters` must map names to options, got {inner!r}")
        correlation = entry.get("correlation") if "parameters" in entry else None
        matrix = None if correlation is None else np.asarray(correlation, float)
        return cls([Parameter.from_dict(str(name), value) for name, value in inner.items()], matrix)

    def to_yaml(self) -> str:
        """The space as YAML text."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, source: str | Path) -> Space:
        """Reads a space from YAML text, or from a file when a Path is given."""
        try:
            text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
            return cls.from_dict(yaml.safe_load(text))
        except OSError as error:
            raise SpaceError(f"cannot read {source}: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise SpaceError(f"the space is not valid YAML: {' '.join(str(error).split())}") from error

    @staticmethod
    def _checked(points: np.ndarray, width: int, name: str) -> FloatArray:
        array = np.asarray(points, float)
        if array.ndim != 2 or array.shape[1] != width:
            raise SpaceError(f"`{name}` must have shape (n, {width}), got {array.shape}")
        if name == "unit" and array.size and (not np.isfinite(array).all() or array.min() < 0 or array.max() > 1):
            raise SpaceError("`unit` must hold values in [0, 1]")
        return array


def _checked_correlation(correlation: np.ndarray | None, n: int) -> FloatArray | None:
    if correlation is None:
        return None
    matrix = np.asarray(correlation, float)
    if matrix.shape != (n, n):
        raise SpaceError(f"`correlation` must be {n} × {n}, one row for each varying parameter, got {matrix.shape}")
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1):
        raise SpaceError("`correlation` must be symmetric with ones on its diagonal")
    if np.abs(matrix).max() > 1:
        raise SpaceError("`correlation` must hold values in [-1, 1]")
    return None if np.array_equal(matrix, np.eye(n)) else matrix


def _cholesky(matrix: FloatArray) -> FloatArray:
    if np.linalg.eigvalsh(matrix)[0] < _SINGULAR:
        raise SpaceError("`correlation` is not positive definite: the wanted ties contradict or repeat one another")
    return np.asarray(np.linalg.cholesky(matrix), np.float64)
