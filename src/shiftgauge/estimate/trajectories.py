"""Designs of elementary effects: points that differ in one input (or group) at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from scipy.spatial.distance import cdist

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import DesignRows, Inputs, as_inputs, check_span
from shiftgauge.estimate.points import unit_design
from shiftgauge.random import generator
from shiftgauge.types import FloatArray

Layout: TypeAlias = Literal["trajectory", "radial"]
LAYOUTS: Final[tuple[str, ...]] = get_args(Layout)
_TAIL: Final = 0.005
"""Quantile at which the range of an unbounded marginal ends."""
_MOST_POINTS: Final = 20_000
"""Points of all candidates together, whose distances take a few seconds."""
_LEAST_STEP: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class MorrisDesign:
    """r blocks of d + 1 rows, in which each of d inputs (or groups) changes once.

    Positions are in [0, 1] along each input's range: quantile levels of a continuous marginal (of an unbounded one from
    0.5 to 99.5 %), k/(K - 1) for the k-th of K values of a discrete one. `trajectory`: the inputs move one after
    the other, in random order, on a grid of `levels` positions, half the grid at a time. `radial`: each
    moves alone from the same base point, by at least a quarter of its range.

    Args:
        inputs: What is drawn. The image moves to any other image; `repeat` to another realisation.
        n_trajectories: r, ≥ 2; 10 to 50 are usual.
        layout: `trajectory` or `radial`.
        levels: Positions of a continuous input on the grid of a trajectory, even, ≥ 2.
        candidates: Random trajectories of which the r most distant ones are kept, ≥ r. Default: r, so that nothing is
            chosen. A choice covers the space more evenly with very few trajectories, but prefers the corners:
            the measures are biased, and their intervals no longer hold (on Ishigami with 20 of 200 trajectories the
            95 % intervals of mu_star held the value in 13 % of the cases for x1).
        method: Of the points of `radial`, as in `unit_design`. Points of `random` are independent, which makes the
            intervals fair.
        seed: Whole number ≥ 0.
        groups: As in `PickFreezeDesign`: members move at the same time, each in a direction of its own.

    Raises:
        ConfigError: An unknown name or a number outside its range.

    Example:
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> design = MorrisDesign(inputs=Inputs(space=ISHIGAMI.space), n_trajectories=10)
        >>> design.n_rows, np.abs(np.diff(design.positions(0, 4), axis=0)).sum(axis=1).round(4).tolist()
        (40, [0.6667, 0.6667, 0.6667])

    Deviations from the paper:
        In `radial` the second point is kept away from the first (0.25 to 0.75 of the range, around the end), because a
        jump of the function divided by a tiny step would swamp the mean.

    References:
        Campolongo, F., Cariboni, J., Saltelli, A. (2007). An effective screening design for sensitivity analysis of
            large models. doi:10.1016/j.envsoft.2006.10.004
        Campolongo, F., Saltelli, A., Cariboni, J. (2011). From screening to quantitative sensitivity analysis.
            doi:10.1016/j.cpc.2010.12.039
        Ruano, M. V. et al. (2012). An improved sampling strategy based on trajectory design for application of the
            Morris method. doi:10.1016/j.envsoft.2012.03.008
    """

    inputs: Inputs
    n_trajectories: int = 20
    layout: Layout = "trajectory"
    levels: int = 4
    candidates: int | None = None
    method: str = "random"
    seed: int = 0
    groups: Mapping[str, Sequence[str]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", as_inputs(self.inputs))
        require_in("layout", self.layout, LAYOUTS)
        r = require_positive_int("n_trajectories", self.n_trajectories, low=2)
        if require_positive_int("levels", self.levels, low=2) % 2:
            raise ConfigError(f"`levels` must be even, so that every level has one way to move, got {self.levels}")
        if self.candidates is not None:
            require_positive_int("candidates", self.candidates, low=r)
            if r < self.candidates and self.candidates * self.rows_per_block > _MOST_POINTS:
                raise ConfigError(
                    f"`candidates` must be at most {max(r, _MOST_POINTS // self.rows_per_block)} for "
                    f"{self.rows_per_block - 1} inputs, got {self.candidates}; `radial` needs none"
                )
        _ = self.group_columns

    @cached_property
    def group_columns(self) -> dict[str, tuple[int, ...]]:
        """Name → input columns of everything that moves as one."""
        return PickFreezeDesign(
            inputs=self.inputs, n_base=16, method=self.method, seed=self.seed, groups=self.groups
        ).group_columns

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs or groups."""
        return tuple(self.group_columns)

    @property
    def n_candidates(self) -> int:
        """Number of trajectories from which r are chosen; r when nothing is chosen."""
        return self.n_trajectories if self.candidates is None else self.candidates

    @property
    def rows_per_block(self) -> int:
        """d + 1."""
        return 1 + len(self.group_columns)

    @property
    def n_rows(self) -> int:
        """Number of evaluations, r (d + 1)."""
        return self.n_trajectories * self.rows_per_block

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of positions of each input, int (n_inputs,); 0 for one that moves freely."""
        free = 0 if self.layout == "radial" else self.levels
        found = []
        for i, parameter in enumerate(self.inputs.parameters):
            levels = None if parameter is None else parameter.levels
            image = self.inputs.n_images if i == 0 and self.inputs.has_image else 2
            found.append(image if parameter is None else free if levels is None else len(levels[0]))
        return np.array(found)

    @property
    def base(self) -> FloatArray:
        """Position at which each input starts (r, n_inputs)."""
        return self._paths[0]

    @property
    def away(self) -> FloatArray:
        """Position to which it moves (r, n_inputs)."""
        return self._paths[1]

    @property
    def moved(self) -> np.ndarray:
        """Number of the group that row k + 1 of a block has moved, int (r, d)."""
        return self._paths[2]

    def positions(self, start: int, stop: int) -> FloatArray:
        """Positions of the rows [start, stop), (n, n_inputs)."""
        block, k = np.divmod(np.arange(start, stop), self.rows_per_block)
        return _places(*self._paths, self._owner, block, k[:, None], self.layout)

    def rows(self, start: int, stop: int) -> DesignRows:
        """Rows [start, stop)."""
        check_span(start, stop, self.n_rows)
        place = self.positions(start, stop)
        unit = np.full(place.shape, 0.5)
        for i in range(self.inputs.n_unit):
            unit[:, i] = self._levels_of(i, place[:, i])
        stream = 2 * (np.arange(start, stop) // self.rows_per_block)
        if self.inputs.repeat:
            stream = stream + place[:, -1].round().astype(np.int64)
        return self.inputs.rows(unit, stream.astype(np.int64))

    def row_name(self, row: int) -> str:
        """Where a row stands in the design, for messages."""
        block, k = divmod(int(row), self.rows_per_block)
        return f"row {row} (point {k} of trajectory {block})"

    def describe(self) -> dict[str, Any]:
        """What decides the rows, for hashes and records."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("inputs", "groups", "layout")}
        groups = {name: list(columns) for name, columns in self.group_columns.items()}
        return {"layout": f"morris {self.layout}", **plain, "inputs": list(self.inputs.names), "groups": groups}

    def _levels_of(self, column: int, place: FloatArray) -> FloatArray:
        """Quantile levels of positions."""
        parameter = self.inputs.parameters[column]
        if parameter is None:
            last = self.inputs.n_images - 1
            return (np.round(place * last) + 0.5) / (last + 1)
        if parameter.levels is not None:
            probability = parameter.levels[1]
            middle = np.cumsum(probability) - probability / 2
            return middle[np.round(place * (len(middle) - 1)).astype(int)]
        low, high = (0.0 if np.isfinite(end) else _TAIL for end in parameter.support)
        return low + (1 - high - low) * place

    def _unordered(self, column: int) -> bool:
        return self.inputs.parameters[column] is None

    @cached_property
    def _owner(self) -> np.ndarray:
        owner = np.empty(self.inputs.n_inputs, np.int64)
        for i, columns in enumerate(self.group_columns.values()):
            owner[list(columns)] = i
        return owner

    @cached_property
    def _paths(self) -> tuple[FloatArray, FloatArray, np.ndarray]:
        r, width = self.n_trajectories, self.rows_per_block
        if self.layout == "radial":
            return self._radial()
        count = self.n_candidates
        rng = generator(self.seed, "morris", count)
        orders = np.array([rng.permutation(width - 1) for _ in range(count)])
        level = rng.integers(self.sizes, size=(count, len(self.sizes)))
        base, away = level / (self.sizes - 1), self._moves(level, rng) / (self.sizes - 1)
        if count == r:
            return base, away, orders
        block, k = np.divmod(np.arange(count * width), width)
        places = _places(base, away, orders, self._owner, block, k[:, None], self.layout)
        kept = spread(places.reshape(count, width, -1), r)
        return base[kept], away[kept], orders[kept]

    def _moves(self, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Where each input goes from its level (m, n): half the grid up or down; any other place without an order."""
        half = self.sizes // 2
        up, down = level + half < self.sizes, level - half >= 0
        step = np.where(up & (~down | (rng.random(level.shape) < 0.5)), half, -half)
        other = (level + 1 + np.floor(rng.random(level.shape) * (self.sizes - 1)).astype(int)) % self.sizes
        return np.where([p is None for p in self.inputs.parameters], other, level + step)

    def _radial(self) -> tuple[FloatArray, FloatArray, np.ndarray]:
        n = len(self.sizes)
        both = unit_design(self.n_trajectories, 2 * n, self.method, self.seed)
        base, other = both[:, :n].copy(), both[:, n:]
        moved = (base + _LEAST_STEP + (1 - 2 * _LEAST_STEP) * other) % 1.0
        for i in np.flatnonzero(self.sizes):
            size = int(self.sizes[i])
            level = np.minimum((base[:, i] * size).astype(int), size - 1)
            step = 1 + np.minimum((other[:, i] * (size - 1)).astype(int), size - 2)
            base[:, i], moved[:, i] = level / (size - 1), (level + step) % size / (size - 1)
        return base, moved, np.tile(np.arange(len(self.group_columns)), (self.n_trajectories, 1))


def _places(
    base: FloatArray,
    away: FloatArray,
    orders: np.ndarray,
    owner: np.ndarray,
    block: np.ndarray,
    k: np.ndarray,
    layout: str,
) -> FloatArray:
    """Positions of rows k (n, 1) of blocks (n,): an input has moved from its group's turn on, or in that row alone."""
    turn = (np.argsort(orders, axis=1) + 1)[block][:, owner]
    return np.where(turn == k if layout == "radial" else turn <= k, away[block], base[block])


def spread(places: FloatArray, count: int) -> np.ndarray:
    """Positions of `count` of the trajectories (M, points, n) that lie far from each other, ascending.

    The distance of two trajectories is the sum over all pairs of their points. The two farthest are taken first, then
    always the one whose squared distances to those taken have the largest sum.

    Example:
        >>> spread(np.array([[[0.0]], [[0.1]], [[1.0]]]), 2).tolist()
        [0, 2]
    """
    m, points, n = places.shape
    flat = places.reshape(m * points, n)
    square = np.empty((m, m))
    for k in range(m):
        square[k] = cdist(places[k], flat).sum(axis=0).reshape(m, points).sum(axis=1) ** 2
    np.fill_diagonal(square, 0.0)
    first, second = np.unravel_index(int(square.argmax()), square.shape)
    taken = [int(first), int(second)][:count]
    gain = square[taken].sum(axis=0)
    while len(taken) < count:
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
        gain = gain + square[taken[-1]]
    return np.sort(np.array(taken))
