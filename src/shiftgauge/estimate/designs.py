"""Designs: which points are evaluated, streamed in bounded memory and the same for any chunking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

import numpy as np

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.groups import Columns, group_columns, theta_columns, unit_columns
from shiftgauge.estimate.inputs import DesignRows, Inputs, as_inputs, check_span
from shiftgauge.estimate.points import Points
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.types import FloatArray, ThetaNP, UnitNP

REPLICATES: Final = 16
"""Independent scramblings of a design; with 15 degrees of freedom an interval is 9 % wider than with many."""
FEWEST: Final = 4
"""Fewest replicates that give an interval."""


@dataclass(frozen=True, kw_only=True)
class PlainDesign:
    """n independent rows: the sample of a polynomial chaos regression.

    Args:
        inputs: What is drawn.
        n: Number of rows, ≥ 1.
        method: As in `points.unit_design`.
        seed: Whole number ≥ 0.

    Example:
        >>> from shiftgauge.parameter import Parameter
        >>> from shiftgauge.space import Space
        >>> space = Space([Parameter(name="x", distribution="uniform", options={"low": 0, "high": 1})])
        >>> PlainDesign(inputs=Inputs(space=space), n=16).rows(3, 5).theta.shape
        (2, 1)
    """

    inputs: Inputs
    n: int
    method: str = "sobol"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", as_inputs(self.inputs))
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
        check_span(start, stop, self.n_rows)
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
    def _points(self) -> Points:
        return Points(self.n, self.inputs.n_unit, self.method, self.seed, 1)


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
        method: As in `points.unit_design`.
        seed: Whole number ≥ 0.
        groups: Group name → names of the inputs that are picked and frozen together. The first index of a group is
            the closed index of that set of inputs. Inputs that stand in no group are a group of their own; members
            that are fixed have no part. Default: every input alone.
        replicates: Independent replicates R of `sobol`, `halton` or `lhs`, 1 or ≥ 4; points of `random` are all
            independent, and have none.

    Raises:
        ConfigError: Unknown method or input, an input in two groups, a number outside its range.

    Example:
        >>> from shiftgauge.parameter import Parameter
        >>> from shiftgauge.space import Space
        >>> def limits(name): return Parameter(name=name, distribution="uniform", options={"low": 0, "high": 1})
        >>> design = PickFreezeDesign(inputs=Inputs(space=Space([limits("a"), limits("b")])), n_base=4)
        >>> design.n_rows, design.rows_per_block
        (16, 4)
        >>> a, b, first, second = design.rows(0, 4).unit
        >>> bool(first[0] == b[0] and first[1] == a[1])
        True

        The closed index of two inputs of three, all that they explain alone and together:

        >>> from shiftgauge.estimate.pick_freeze import pick_freeze
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=512, groups={"set": ["x1", "x3"]})
        >>> y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)
        >>> found = pick_freeze(design, y, outputs=["y"])
        >>> found.names, found.first_order[0].round(1).tolist()
        (('set', 'x2'), [0.6, 0.4])

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
        object.__setattr__(self, "inputs", as_inputs(self.inputs))
        require_positive_int("n_base", self.n_base, low=2)
        require_positive_int("replicates", self.replicates)
        if 1 < self.replicates < FEWEST:
            raise ConfigError(f"`replicates` must be 1 or at least {FEWEST}, got {self.replicates}; 16 is usual")
        _ = self._points, self.group_columns

    @cached_property
    def grouping(self) -> Grouping:
        """Which blocks stay together when errors are estimated."""
        return Grouping(self.n_base, 1 if self.method == "random" else self.replicates)

    @cached_property
    def group_columns(self) -> dict[str, tuple[int, ...]]:
        """Name → input columns of everything that is picked as one, in the order of the inputs."""
        return group_columns(self.inputs, self.groups)

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

    def base(self, first: int, last: int) -> tuple[UnitNP, ThetaNP]:
        """Points A and B of the blocks [first, last), unit (n, 2, n_unit) and physical (n, 2, n_parameters).

        The physical values hold for the rows AB and BA, too, where parameters are independent of each other.
        """
        unit = self._points.take(first, last).reshape(-1, 2, self.inputs.n_unit)
        theta = self.inputs.space.to_physical(unit.reshape(-1, self.inputs.n_unit)[:, self.inputs.shift_columns])
        return unit, theta.reshape(last - first, 2, self.inputs.space.n_parameters)

    def cells(self, first: int, last: int, low: int, high: int) -> DesignRows:
        """Rows low ≤ k < high of each of the blocks [first, last), block by block: a part of the design cut both ways.

        Example:
            >>> from shiftgauge.estimate.reference import ISHIGAMI
            >>> design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=4)
            >>> len(design.cells(0, 4, 0, 2))  # A and B of all blocks
            8
        """
        inputs, n = self.inputs, (last - first) * (high - low)
        base, physical = self.base(first, last)
        unit = np.empty((last - first, high - low, inputs.n_inputs))
        unit[..., inputs.n_unit :] = 0.5
        self._fill(base, self._unit_columns, low, unit[..., : inputs.n_unit])
        flat = unit.reshape(n, inputs.n_inputs)
        if inputs.space.correlation is None:
            theta = np.empty((last - first, high - low, inputs.space.n_parameters))
            self._fill(physical, self.theta_columns, low, theta)
            theta = theta.reshape(n, inputs.space.n_parameters)
        else:
            theta = inputs.space.to_physical(flat[:, inputs.shift_columns])
        stream = np.repeat(2 * np.arange(first, last, dtype=np.int64), high - low)
        if inputs.repeat:
            stream += np.tile(self._repeat_from_b[low:high], last - first)
        return DesignRows(unit=flat, image=inputs.image_index(flat), theta=theta, stream=stream)

    def rows(self, start: int, stop: int) -> DesignRows:
        """Rows [start, stop), the same whatever was asked before; memory grows with stop - start alone."""
        check_span(start, stop, self.n_rows)
        width, parts, row = self.rows_per_block, [], start
        while row < stop or not parts:
            block, low = divmod(row, width)
            high = min(width, low + stop - row)
            count = max(1, (stop - row) // width) if low == 0 else 1
            parts.append(self.cells(block, block + count if high > low else block, low, high))
            row += count * (high - low)
        if len(parts) == 1:
            return parts[0]
        return DesignRows(
            **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(DesignRows)}
        )

    def _fill(self, base_n2m: FloatArray, columns: Sequence[Columns], low: int, out_nkm: FloatArray) -> None:
        """Writes the rows from the `low`-th on of some blocks, given their A and B and the columns of each group."""
        d, high = self.n_groups, low + out_nkm.shape[1]
        out_nkm[:] = base_n2m[:, :1]
        out_nkm[:, max(0, 2 + d - low) :] = base_n2m[:, 1:]
        if low <= 1 < high:
            out_nkm[:, 1 - low] = base_n2m[:, 1]
        for k in range(max(low, 2), high):
            half, i = divmod(k - 2, d)
            out_nkm[:, k - low, columns[i]] = base_n2m[:, 1 - half, columns[i]]

    @cached_property
    def _unit_columns(self) -> list[Columns]:
        return unit_columns(self.inputs, self.group_columns.values())

    @cached_property
    def theta_columns(self) -> list[Columns]:
        """Columns of the physical values that belong to each group."""
        return theta_columns(self.inputs, self.group_columns.values())

    @cached_property
    def _repeat_from_b(self) -> np.ndarray:
        """Whether each row of a block takes the realisation from B (rows_per_block,)."""
        last = self.inputs.n_inputs - 1
        group = next(i for i, columns in enumerate(self.group_columns.values()) if last in columns)
        kind = np.arange(self.rows_per_block)
        return (kind == 1) | (kind == 2 + group) | ((kind >= 2 + self.n_groups) & (kind != 2 + self.n_groups + group))

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
    def _points(self) -> Points:
        return Points(self.n_base, 2 * self.inputs.n_unit, self.method, self.seed, self.grouping.replicates)
