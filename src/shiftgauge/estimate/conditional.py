"""Designs for inputs that depend on each other: some inputs are redrawn given the others, under a Gaussian copula."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations
from typing import Any, Final

import numpy as np
from scipy.special import ndtr, ndtri

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.copula import Redraw, normal_correlation, stable_product
from shiftgauge.estimate.designs import REPLICATES
from shiftgauge.estimate.groups import group_columns
from shiftgauge.estimate.inputs import DesignRows, Inputs, as_inputs, check_span
from shiftgauge.estimate.points import Points
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.random import generator
from shiftgauge.types import FloatArray

_EDGE: Final = 1e-12
_MOST_SUBSETS: Final = 12
_PAGE: Final = 1024


@dataclass(frozen=True, kw_only=True)
class ConditionalDesign(ABC):
    """Blocks of rows: A, then rows that redraw some inputs of A from their distribution given the rest.

    Args:
        inputs: What is drawn; `space.correlation` ties the parameters.
        n_base: Number of blocks N, ≥ 2 × `replicates`; for `sobol` best a power of two.
        method: As in `unit_design`.
        seed: Whole number ≥ 0.
        groups: As in `PickFreezeDesign`.
        replicates: Independent replicates, ≥ 4, from which the intervals come.

    Raises:
        ConfigError: Unknown method or input, or a number outside its range.
    """

    inputs: Inputs
    n_base: int
    method: str = "sobol"
    seed: int = 0
    groups: Mapping[str, Sequence[str]] | None = None
    replicates: int = REPLICATES

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", as_inputs(self.inputs))
        require_positive_int("replicates", self.replicates, low=4)
        require_positive_int("n_base", self.n_base, low=2 * self.replicates)
        _ = self._points, self.group_columns

    @property
    @abstractmethod
    def rows_per_block(self) -> int:
        """Rows that belong together."""

    @abstractmethod
    def scores(self, first: int, last: int) -> tuple[FloatArray, np.ndarray]:
        """Normal scores (n, rows_per_block, n_unit) of the blocks [first, last), and which rows redraw `repeat`."""

    @cached_property
    def group_columns(self) -> dict[str, tuple[int, ...]]:
        """Name → input columns of everything that is drawn as one."""
        return group_columns(self.inputs, self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs or groups."""
        return tuple(self.group_columns)

    @property
    def n_groups(self) -> int:
        """Number of inputs or groups d."""
        return len(self.group_columns)

    @property
    def n_rows(self) -> int:
        """Number of evaluations."""
        return self.n_base * self.rows_per_block

    @property
    def grouping(self) -> Grouping:
        """Which blocks stay together when errors are estimated."""
        return Grouping(self.n_base, self.replicates)

    @cached_property
    def correlation(self) -> FloatArray:
        """Of the normal scores (n_unit, n_unit)."""
        return normal_correlation(self.inputs)

    @cached_property
    def _points(self) -> Points:
        return Points(self.n_base, 2 * self.inputs.n_unit, self.method, self.seed, self.replicates)

    def noise(self, first: int, last: int) -> tuple[FloatArray, FloatArray]:
        """Independent normal noise of A and of B, each (n, n_unit)."""
        unit = np.clip(self._points.take(first, last), _EDGE, 1 - _EDGE)
        normal = np.asarray(ndtri(unit)).reshape(last - first, 2, self.inputs.n_unit)
        return normal[:, 0], normal[:, 1]

    def unit_columns(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Those of the columns that are drawn from the unit cube: all but `repeat`."""
        return tuple(c for c in columns if c < self.inputs.n_unit)

    def rows(self, start: int, stop: int) -> DesignRows:
        """Rows [start, stop), the same whatever was asked before; memory grows with stop - start alone.

        `unit` holds each input's own quantile level; these are tied, unlike those of the other designs.
        """
        check_span(start, stop, self.n_rows)
        width = self.rows_per_block
        first, last = start // width, max(-(-stop // width), start // width)
        score, redrawn = self.scores(first, last)
        block = np.repeat(np.arange(first, last), width)
        stream = 2 * block + (redrawn.ravel() if self.inputs.repeat else 0)
        kept = slice(start - first * width, stop - first * width)
        return self._filled(score.reshape(-1, self.inputs.n_unit)[kept], stream[kept].astype(np.int64))

    def row_name(self, row: int) -> str:
        """Where a row stands in the design, for messages."""
        block, kind = divmod(int(row), self.rows_per_block)
        return f"row {row} (row {kind} of block {block})"

    def describe(self) -> dict[str, Any]:
        """What decides the rows, for hashes and records."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("inputs", "groups")}
        groups = {name: list(columns) for name, columns in self.group_columns.items()}
        return {"layout": type(self).__name__, **plain, "inputs": list(self.inputs.names), "groups": groups}

    def _filled(self, score: FloatArray, stream: np.ndarray) -> DesignRows:
        space = self.inputs.space
        unit = np.full((len(score), self.inputs.n_inputs), 0.5)
        unit[:, : self.inputs.n_unit] = ndtr(score)
        theta = np.tile(space.nominal, (len(score), 1))
        for column, index in enumerate(space.varying):
            theta[:, index] = space.parameters[index].ppf(unit[:, self.inputs.shift_columns.start + column])
        return DesignRows(unit=unit, image=self.inputs.image_index(unit), theta=theta, stream=stream)


@dataclass(frozen=True, kw_only=True)
class SetDesign(ConditionalDesign, ABC):
    """Blocks that all redraw the same sets of columns."""

    @cached_property
    def redrawn(self) -> tuple[tuple[int, ...], ...]:
        """The columns that each row of a block redraws given the others."""
        return self._sets()

    @property
    def rows_per_block(self) -> int:
        """One row for each set."""
        return len(self.redrawn)

    def scores(self, first: int, last: int) -> tuple[FloatArray, np.ndarray]:
        """Normal scores (n, rows_per_block, n_unit), and which rows redraw `repeat`."""
        a, b = self.noise(first, last)
        base = Redraw.of(self.correlation, range(self.inputs.n_unit))(a, a)
        repeat = [self.inputs.n_unit in u for u in self.redrawn]
        return np.stack([redraw(base, b) for redraw in self._redraws], axis=1), np.tile(repeat, (last - first, 1))

    @abstractmethod
    def _sets(self) -> tuple[tuple[int, ...], ...]: ...

    @cached_property
    def _redraws(self) -> tuple[Redraw, ...]:
        return tuple(Redraw.of(self.correlation, self.unit_columns(u)) for u in self.redrawn)


@dataclass(frozen=True, kw_only=True)
class KucherenkoDesign(SetDesign):
    """Rows for first and total indices of dependent inputs: A, B, all but group i redrawn, group i redrawn.

    Example:
        >>> from shiftgauge.estimate.reference import DependentLinear
        >>> pair = DependentLinear(weights=(1.0, 1.0), covariance=[[1.0, 0.5], [0.5, 1.0]])
        >>> KucherenkoDesign(inputs=Inputs(space=pair.space), n_base=32).n_rows
        192

    References:
        Kucherenko, S., Tarantola, S., Annoni, P. (2012). Estimation of global sensitivity indices for models with
            dependent variables. doi:10.1016/j.cpc.2011.12.020
    """

    def _sets(self) -> tuple[tuple[int, ...], ...]:
        """Nothing (A), everything (B), the complement of each group, each group."""
        everything = tuple(range(self.inputs.n_inputs))
        own = tuple(self.group_columns.values())
        others = tuple(tuple(c for c in everything if c not in set(g)) for g in own)
        return ((), everything, *others, *own)


@dataclass(frozen=True, kw_only=True)
class SubsetDesign(SetDesign):
    """Rows for exact sums over all 2^d subsets of at most 12 groups: every subset is redrawn given the rest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_groups > _MOST_SUBSETS:
            raise ConfigError(
                f"all subsets of {self.n_groups} inputs are too many (at most {_MOST_SUBSETS}); use PermutationDesign"
            )

    @cached_property
    def subsets(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the groups in each row's subset, by size."""
        return tuple(u for size in range(self.n_groups + 1) for u in combinations(range(self.n_groups), size))

    def _sets(self) -> tuple[tuple[int, ...], ...]:
        """The columns of each subset."""
        columns = list(self.group_columns.values())
        return tuple(tuple(sorted(c for i in u for c in columns[i])) for u in self.subsets)


@dataclass(frozen=True, kw_only=True)
class PermutationDesign(ConditionalDesign):
    """Rows for Shapley effects of any number of groups: each block redraws one group more at a time, in random order.

    References:
        Song, E., Nelson, B. L., Staum, J. (2016). Shapley effects for global sensitivity analysis: theory and
            computation. doi:10.1137/15M1048070
    """

    @property
    def rows_per_block(self) -> int:
        """A and one row for each group."""
        return 1 + self.n_groups

    def orders(self, first: int, last: int) -> np.ndarray:
        """Order in which the groups of each block are redrawn, int (n, d)."""
        d, out = self.n_groups, []
        for page in range(first // _PAGE, -(-last // _PAGE)):
            keys = generator(self.seed, "order", page).random((_PAGE, d))
            out.append(keys[max(0, first - page * _PAGE) : last - page * _PAGE])
        return np.argsort(np.concatenate([np.empty((0, d)), *out]), axis=1)

    def scores(self, first: int, last: int) -> tuple[FloatArray, np.ndarray]:
        """Normal scores (n, d + 1, n_unit), and which rows redraw `repeat`.

        In the order last group first, with Cholesky factor L of the correlation, the scores are L ε. Replacing the
        last entries of ε draws the groups that come first in the block's order given all others.
        """
        a, b = self.noise(first, last)
        place = np.argsort(self.orders(first, last), axis=1) + 1  # the row from which on each group is redrawn
        owner = np.empty(self.inputs.n_inputs, np.int64)
        for i, columns in enumerate(self.group_columns.values()):
            owner[list(columns)] = i
        step = place[:, owner]
        redrawn = step[:, None, :] <= np.arange(self.rows_per_block)[:, None]
        m = self.inputs.n_unit
        score = np.where(redrawn[..., :m], b[:, None], a[:, None])
        if not np.array_equal(self.correlation, np.eye(m)):
            order = np.argsort(-step[:, :m], axis=1, kind="stable")
            factor = np.asarray(np.linalg.cholesky(self.correlation[order[:, :, None], order[:, None, :]]), float)
            tied = stable_product(np.take_along_axis(score, order[:, None, :], axis=2), factor[:, None])
            np.put_along_axis(score, order[:, None, :], tied, axis=2)
        return score, redrawn[..., m] if self.inputs.repeat else np.zeros(score.shape[:2], bool)
