"""What may vary and how likely: the space that named parameters span, and how they go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from scipy import stats

from shiftgauge.checks import unknown_name
from shiftgauge.errors import SpaceError
from shiftgauge.files import hash_json
from shiftgauge.parameter import EDGE, Parameter
from shiftgauge.types import FloatArray, ThetaNP, UnitNP

_SINGULAR: Final = 1e-8
"""A correlation matrix with an eigenvalue below this ties parameters without any freedom left."""


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
            normal = np.einsum("nj,ij->ni", stats.norm.ppf(np.clip(unit, EDGE, 1 - EDGE)), self._cholesky)
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
            normal = stats.norm.ppf(np.clip(unit, EDGE, 1 - EDGE))
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
        """Builds a space from what `to_dict` gives, or from {name: entry} alone; [low, high] is a uniform entry."""
        if not isinstance(entry, Mapping):
            what = f"the function `{entry.__name__}`" if hasattr(entry, "__name__") else f"{type(entry).__name__}"
            raise SpaceError(f"a space must be a Space or a mapping such as {{rotation: [-10, 10]}}, got {what}")
        if not entry:
            raise SpaceError("a space needs at least one entry such as {rotation: {low: -10, high: 10}}")
        inner = entry.get("parameters", entry)
        if not isinstance(inner, Mapping):
            raise SpaceError(f"`parameters` must map names to options, got {inner!r}")
        correlation = entry.get("correlation") if "parameters" in entry else None
        parameters = [Parameter.from_dict(str(name), value) for name, value in inner.items()]
        return cls(parameters, None if correlation is None else _correlation_matrix(correlation, parameters))

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


def _correlation_matrix(correlation: Any, parameters: Sequence[Parameter]) -> FloatArray:
    """A matrix as it stands, or from {name: {other: correlation}}."""
    try:
        if not isinstance(correlation, Mapping):
            return np.asarray(correlation, float)
        varying = [p.name for p in parameters if not p.is_fixed]
        matrix = np.eye(len(varying))
        for first, others in correlation.items():
            for second, value in others.items():
                if unknown := [name for name in (first, second) if name not in varying]:
                    raise SpaceError(unknown_name("varying parameter in `correlation`", str(unknown[0]), varying))
                i, j = varying.index(first), varying.index(second)
                matrix[i, j] = matrix[j, i] = value
    except (AttributeError, TypeError, ValueError) as error:
        raise SpaceError(
            f"`correlation` must be a matrix or {{name: {{other: correlation}}}}, got {correlation!r}"
        ) from error
    return matrix


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
