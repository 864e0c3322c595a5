"""Designs: which points are evaluated, streamed in bounded memory and the same for any chunking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from scipy.stats import qmc

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.inputs import DesignRows, Inputs
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.random import check_seed, generator
from shiftgauge.types import UnitNP

Method: TypeAlias = Literal["sobol", "halton", "lhs", "random"]
METHODS: Final[tuple[str, ...]] = get_args(Method)
REPLICATES: Final = 16
"""Independent scramblings of a design; with 15 degrees of freedom an interval is 9 % wider than with many."""
_FEWEST: Final = 4
_PAGE: Final = 4096
_SOBOL_MAX_DIMENSION: Final = 21201


def unit_design(n: int, d: int, method: str = "sobol", seed: int = 0) -> UnitNP:
    """Draws n points of the d-dimensional unit cube.

    Args:
        n: Number of points, ≥ 1; a power of two keeps the balance of a Sobol' sequence.
        d: Number of dimensions, ≥ 1.
        method: `sobol` (scrambled), `halton` (scrambled), `lhs` (Latin hypercube) or `random`.
        seed: Whole number ≥ 0.

    Returns:
        Points (n, d) in [0, 1).

    Raises:
        ConfigError: Unknown method, or a number outside its range.

    Example:
        >>> unit_design(8, 2, "sobol", seed=1).shape
        (8, 2)
        >>> import numpy as np
        >>> np.sort((unit_design(4, 1, "lhs", seed=1)[:, 0] * 4).astype(int)).tolist()
        [0, 1, 2, 3]

    References:
        Owen, A. B. (1998). Scrambling Sobol' and Niederreiter-Xing points. doi:10.1006/jcom.1998.0487
        McKay, M. D., Beckman, R. J., Conover, W. J. (1979). Latin hypercube. doi:10.2307/1268522
    """
    source = _Points(require_positive_int("n", n), require_positive_int("d", d), method, seed, 1)
    return source.take(0, n)


class _Points:
    """Points of some independent sequences in turn, made page by page; the last page made is kept."""

    def __init__(self, n: int, d: int, method: str, seed: int, replicates: int) -> None:
        self.n, self.d, self.seed, self.replicates = n, d, check_seed(seed), replicates
        self.page = max(1, _PAGE // replicates) * replicates
        self.method = require_in("design", method, METHODS)
        if self.method == "sobol" and d > _SOBOL_MAX_DIMENSION:
            raise ConfigError(f"a Sobol' design has at most {_SOBOL_MAX_DIMENSION} columns, got {d}; use `random`")
        self._number = -1
        self._points: UnitNP = np.empty((0, d))

    def take(self, start: int, stop: int) -> UnitNP:
        """Points [start, stop), whatever was taken before."""
        out = np.empty((stop - start, self.d))
        position = start
        while position < stop:
            page, offset = divmod(position, self.page)
            points = self._page(page)
            count = min(stop - position, len(points) - offset)
            out[position - start : position - start + count] = points[offset : offset + count]
            position += count
        return out

    def _page(self, number: int) -> UnitNP:
        if self.method == "lhs":
            return self._latin[number * self.page : (number + 1) * self.page]
        if number != self._number:
            self._points, self._number = self._make(number), number
        return self._points

    def _make(self, number: int) -> UnitNP:
        if self.method == "random":
            return generator(self.seed, "design", "random", self.d, number).random((self.page, self.d))
        kind = qmc.Sobol if self.method == "sobol" else qmc.Halton
        before, count = number * self.page // self.replicates, min(self.page, self.n - number * self.page)

        def sequence(rng: np.random.Generator, length: int) -> UnitNP:
            options: dict[str, Any] = {"seed": rng}
            engine = kind(self.d, scramble=True, **options)
            if before:
                engine.fast_forward(before)
                return engine.random(length)
            # one point first: a first draw that is no power of two warns
            return np.vstack([engine.random(1), engine.random(length - 1)]) if length > 1 else engine.random(1)

        return self._interleaved(count, sequence)

    @cached_property
    def _latin(self) -> UnitNP:
        def cube(rng: np.random.Generator, length: int) -> UnitNP:
            options: dict[str, Any] = {"seed": rng}
            return qmc.LatinHypercube(self.d, **options).random(length)

        return self._interleaved(self.n, cube, self.n)

    def _interleaved(
        self, count: int, sequence: Callable[[np.random.Generator, int], UnitNP], *names: str | int
    ) -> UnitNP:
        """`count` points, the j-th from the replicate j mod R."""
        points = np.empty((count, self.d))
        for k in range(min(self.replicates, count)):
            replicate = () if self.replicates == 1 else ("replicate", k)
            rng = generator(self.seed, "design", self.method, self.d, *names, *replicate)
            points[k :: self.replicates] = sequence(rng, len(range(k, count, self.replicates)))
        return points


@dataclass(frozen=True, kw_only=True)
class PlainDesign:
    """n independent rows: the sample of a polynomial chaos regression.

    Args:
        inputs: What is drawn.
        n: Number of rows, ≥ 1.
        method: As in `unit_design`.
        seed: Whole number ≥ 0.

    Example:
        >>> from shiftgauge.space import Parameter, Space
        >>> space = Space([Parameter(name="x", distribution="uniform", options={"low": 0, "high": 1})])
        >>> PlainDesign(inputs=Inputs(space=space), n=16).rows(3, 5).theta.shape
        (2, 1)
    """

    inputs: Inputs
    n: int
    method: str = "sobol"
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive_int("n", self.n)
        _ = self._points

    @property
    def n_rows(self) -> int:
        """Number of evaluations."""
        return self.n

    @property
    def rows_per_block(self) -> int:
        """Rows that belong together: one."""
        return 1

    def rows(self, start: int, stop: int) -> DesignRows:
        """Rows [start, stop); every row has its own noise realisation."""
        _check_span(start, stop, self.n_rows)
        unit = np.full((stop - start, self.inputs.n_inputs), 0.5)
        unit[:, : self.inputs.n_unit] = self._points.take(start, stop)
        return self.inputs.rows(unit, np.arange(start, stop, dtype=np.int64))

    def row_name(self, row: int) -> str:
        """Where a row stands in the design, for messages."""
        return f"row {row}"

    def describe(self) -> dict[str, Any]:
        """What decides the rows, for hashes and records."""
        return {
            "layout": "plain",
            "n": self.n,
            "method": self.method,
            "seed": self.seed,
            "inputs": list(self.inputs.names),
        }

    @cached_property
    def _points(self) -> _Points:
        return _Points(self.n, self.inputs.n_unit, self.method, self.seed, 1)


@dataclass(frozen=True, kw_only=True)
class PickFreezeDesign:
    """Blocks of rows that share some inputs and redraw the others.

    Block j holds A_j, B_j, then AB_j1 … AB_jd (A with group i taken from B) and, for second order,
    BA_j1 … BA_jd (B with group i taken from A). Row j·rows_per_block + k is the k-th row of block j. Designs
    of the sequences `sobol`, `halton` and `random` are nested: more blocks keep those already evaluated.

    The points of one scrambled sequence are not independent of each other, so their own spread says little about the
    error: it may be many times too large for a smooth function, and half of the truth for a rough one. Block j
    therefore comes from the replicate j mod R, each an independent scrambling of the sequence, and the spread between
    replicates gives fair intervals (randomised quasi-Monte Carlo). One replicate is more accurate for smooth functions
    of few inputs, but its bootstrap intervals hold only for `random`.

    Args:
        inputs: What is drawn.
        n_base: Number of blocks N, ≥ 2; for `sobol` best a power of two, which keeps the sequences balanced.
        second_order: Add the BA rows, which second and closed indices of pairs need.
        method: As in `unit_design`.
        seed: Whole number ≥ 0.
        groups: Group name → names of the inputs that are picked and frozen together. Inputs
            that stand in no group are a group of their own. Default: every input alone.
        replicates: Independent replicates R of `sobol`, `halton` or `lhs`, 1 or ≥ 4; points of `random` are all
            independent, and have none.

    Raises:
        ConfigError: Unknown method or input, an input in two groups, a number outside its range.

    Example:
        >>> from shiftgauge.space import Parameter, Space
        >>> def limits(name): return Parameter(name=name, distribution="uniform", options={"low": 0, "high": 1})
        >>> design = PickFreezeDesign(inputs=Inputs(space=Space([limits("a"), limits("b")])), n_base=4)
        >>> design.n_rows, design.rows_per_block
        (16, 4)
        >>> a, b, first, second = design.rows(0, 4).unit
        >>> bool(first[0] == b[0] and first[1] == a[1])
        True

    References:
        Saltelli, A. et al. (2010). Variance based sensitivity analysis of model output. doi:10.1016/j.cpc.2009.09.018
        L'Ecuyer, P. (2018). Randomized quasi-Monte Carlo. doi:10.1007/978-3-319-91436-7_2
    """

    inputs: Inputs
    n_base: int
    second_order: bool = False
    method: str = "sobol"
    seed: int = 0
    groups: Mapping[str, Sequence[str]] | None = None
    replicates: int = REPLICATES

    def __post_init__(self) -> None:
        require_positive_int("n_base", self.n_base, low=2)
        require_positive_int("replicates", self.replicates)
        if 1 < self.replicates < _FEWEST:
            raise ConfigError(f"`replicates` must be 1 or at least {_FEWEST}, got {self.replicates}; 16 is usual")
        _ = self._points, self.group_columns

    @cached_property
    def grouping(self) -> Grouping:
        """Which blocks stay together when errors are estimated."""
        return Grouping(self.n_base, 1 if self.method == "random" else self.replicates)

    @property
    def balanced(self) -> bool:
        """Whether the number of blocks keeps the balance of the sequences."""
        return self.method != "sobol" or self.n_base & (self.n_base - 1) == 0

    @cached_property
    def group_columns(self) -> dict[str, tuple[int, ...]]:
        """Name → input columns of everything that is picked as one, in the order of the inputs."""
        names = self.inputs.names
        owner: dict[str, str] = {}
        for group, members in (self.groups or {}).items():
            for member in members:
                require_in("input", member, names)
                if member in owner:
                    raise ConfigError(f"input `{member}` stands in two groups, `{owner[member]}` and `{group}`")
                owner[member] = group
        clash = [g for g in (self.groups or {}) if g in names and owner.get(g) != g]
        if clash:
            raise ConfigError(f"group `{clash[0]}` bears the name of an input outside it; give it another name")
        found: dict[str, tuple[int, ...]] = {}
        for column, name in enumerate(names):
            key = owner.get(name, name)
            found[key] = (*found.get(key, ()), column)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups whose indices are estimated."""
        return tuple(self.group_columns)

    @property
    def n_groups(self) -> int:
        """Number of groups d."""
        return len(self.group_columns)

    @property
    def rows_per_block(self) -> int:
        """d + 2 rows, or 2d + 2 with second order."""
        return 2 + self.n_groups * (1 + self.second_order)

    @property
    def n_rows(self) -> int:
        """Number of evaluations."""
        return self.n_base * self.rows_per_block

    @cached_property
    def from_b(self) -> np.ndarray:
        """Which inputs row k of a block takes from B, bool (rows_per_block, n_inputs)."""
        d = self.n_groups
        table = np.zeros((self.rows_per_block, self.inputs.n_inputs), bool)
        table[1] = True
        for i, columns in enumerate(self.group_columns.values()):
            table[2 + i, list(columns)] = True
            if self.second_order:
                table[2 + d + i] = True
                table[2 + d + i, list(columns)] = False
        return table

    def rows(self, start: int, stop: int) -> DesignRows:
        """Rows [start, stop), the same whatever was asked before; memory grows with stop - start alone."""
        _check_span(start, stop, self.n_rows)
        block, kind = np.divmod(np.arange(start, stop), self.rows_per_block)
        first = int(block[0]) if len(block) else 0
        last = int(block[-1]) + 1 if len(block) else 0
        base = self._points.take(first, last).reshape(last - first, 2, self.inputs.n_unit)
        pick = self.from_b[kind]
        unit = np.full((stop - start, self.inputs.n_inputs), 0.5)
        n = self.inputs.n_unit
        unit[:, :n] = np.where(pick[:, :n], base[block - first, 1], base[block - first, 0])
        stream = 2 * block
        if self.inputs.repeat:
            stream = stream + pick[:, -1]
        return self.inputs.rows(unit, stream.astype(np.int64))

    def row_name(self, row: int) -> str:
        """Where a row stands in the design, for messages."""
        block, kind = divmod(int(row), self.rows_per_block)
        if kind < 2:
            return f"row {row} ({'AB'[kind]} of base sample {block})"
        half, i = divmod(kind - 2, self.n_groups)
        return f"row {row} ({('AB', 'BA')[half]} of `{self.names[i]}`, base sample {block})"

    def describe(self) -> dict[str, Any]:
        """What decides the rows, for hashes and records."""
        return {
            "layout": "pick_freeze",
            "n_base": self.n_base,
            "second_order": self.second_order,
            "method": self.method,
            "replicates": self.grouping.replicates,
            "seed": self.seed,
            "inputs": list(self.inputs.names),
            "groups": {name: list(columns) for name, columns in self.group_columns.items()},
        }

    @cached_property
    def _points(self) -> _Points:
        return _Points(self.n_base, 2 * self.inputs.n_unit, self.method, self.seed, self.grouping.replicates)


def _check_span(start: int, stop: int, n_rows: int) -> None:
    if not 0 <= start <= stop <= n_rows:
        raise ConfigError(f"rows [{start}, {stop}) are outside the design, which has {n_rows} rows")
