"""Which outputs get a residual surrogate, which one, and its cross-fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from shiftgauge.estimate.crossfit import EXACT_Q2, CrossFit, trend_pieces
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.rough.models import (
    GAUSSIAN_POINTS,
    ROUNDS,
    ResidualModel,
    fit_gaussian,
    fit_trees,
    one_thread,
)
from shiftgauge.estimate.rough.points import ResidualPoints
from shiftgauge.random import generator
from shiftgauge.types import FloatArray, OutputsNQ

Surrogate: TypeAlias = Literal["auto", "chaos", "gp", "trees"]
SURROGATES: Final[tuple[str, ...]] = get_args(Surrogate)
ENOUGH_Q2: Final = 0.98
"""From this share on, nothing is added to the polynomial unasked: its intervals are narrow already."""
_FEWEST_ROWS: Final = 1000
"""Rows from which residual surrogates are tried unasked; fewer teach them little."""
_AUTO_ROWS: Final = 60_000
"""Rows, summed over outputs, for which they are tried at most."""
_GAUSSIAN_COLUMNS: Final = 20
_WORTH: Final = 0.8
"""Share of the polynomial's squared error that may be left for a residual surrogate to be worth its cost."""
_DEARER: Final = 0.85
_BATCH: Final = 20_000_000
_TRIED_ROWS: Final = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualFit:
    """Residual surrogates of one output, one for each fold.

    Args:
        kind: `gp` or `trees`.
        models: The surrogates (K,).
        left_out: h - g at every row of the design from the surrogate of its own fold (n_rows,).
        ratio: Squared error of h on folds left out, as a share of that of the polynomial g alone.
    """

    kind: str
    models: tuple[ResidualModel, ...]
    left_out: FloatArray
    ratio: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sample:
    """One output: points (n, k), values (n,), the trend of each fold (K, n), the fold of each row (-1: not used)."""

    points: FloatArray
    values: FloatArray
    trends: FloatArray
    fold: np.ndarray

    def training(self, k: int) -> np.ndarray:
        """Rows outside fold k."""
        return np.flatnonzero((self.fold != k) & (self.fold >= 0))

    def error(self, k: int, residual: FloatArray, rows: np.ndarray) -> float:
        """Sum of squares of f - g - r at rows."""
        away = self.values[rows] - self.trends[k, rows] - residual
        return float(away @ away)


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """How a residual surrogate is fitted, and what it left on the fold it was tried on (share of the trend's error)."""

    kind: str
    ratio: float
    on_trend: bool = True
    rounds: int = ROUNDS
    kernel: Any = None


def fit_residuals(
    design: PickFreezeDesign,
    centred: OutputsNQ,
    fit: CrossFit,
    points: ResidualPoints,
    *,
    surrogate: Surrogate,
    kept: np.ndarray,
) -> Mapping[int, ResidualFit]:
    """Fits residual surrogates of the outputs that gain by one, cross-fitted over the folds of the polynomial.

    With `auto`, the outputs of which the polynomial explains less than 98 % are looked at, the worst first, until their
    rows together are 60,000; samples of less than 1,000 rows are left as they are. On one fold left out, boosted trees
    and a Gaussian process are tried; the better one is fitted for all folds when it leaves less than 80 % of the
    polynomial's squared error.

    Args:
        design: What was evaluated.
        centred: Outputs at its rows, less their means (n_rows, Q).
        fit: The polynomial of each fold.
        points: Columns that surrogates see.
        surrogate: `gp` or `trees` adds that one wherever the polynomial is not exact, `chaos` none.
        kept: Blocks that count, bool (N,).

    Returns:
        Output → its surrogates; outputs that have none are missing.
    """
    chosen = _candidates(fit.q2, design.n_rows, surrogate)
    kinds = ("trees", "gp") if surrogate == "auto" else (surrogate,)
    if points.n_metric > _GAUSSIAN_COLUMNS and surrogate == "auto":
        kinds = ("trees",)
    found: dict[int, ResidualFit] = {}
    if not len(chosen):
        return found
    with one_thread():
        for q, sample in _samples(design, centred, fit, points, chosen, kept):
            recipe = _pilot(sample, points, kinds, design)
            if recipe.ratio >= _WORTH and surrogate == "auto":
                continue
            residual = _cross_fit(sample, points, recipe, design)
            if residual.ratio < _WORTH or surrogate != "auto":
                found[q] = residual
    return found


def _candidates(q2: FloatArray, n_rows: int, surrogate: Surrogate) -> np.ndarray:
    """Outputs to look at, the worst explained first."""
    if surrogate == "chaos":
        return np.empty(0, int)
    known = np.flatnonzero(q2 < EXACT_Q2)  # false for outputs that do not vary
    if surrogate != "auto":
        return known
    if n_rows < _FEWEST_ROWS:
        return known[:0]
    poor = known[q2[known] < ENOUGH_Q2]
    return poor[np.argsort(q2[poor], kind="stable")][: _AUTO_ROWS // n_rows]


def _samples(
    design: PickFreezeDesign,
    centred: OutputsNQ,
    fit: CrossFit,
    points: ResidualPoints,
    chosen: np.ndarray,
    kept: np.ndarray,
) -> Iterator[tuple[int, _Sample]]:
    n_folds = len(fit.folds)
    size = max(1, _BATCH // (design.n_rows * n_folds))
    batches = [part[s : s + size] for part in fit.alike(chosen) for s in range(0, len(part), size)]
    for outputs in batches:
        trends = np.empty((len(outputs), n_folds, design.n_rows))
        matrix = np.empty((design.n_rows, 0))
        fold = np.empty(design.n_rows, int)
        for piece in trend_pieces(design, fit, outputs):
            rows = piece.rows
            columns = points.matrix(piece.coordinates)
            matrix = np.empty((design.n_rows, columns.shape[1])) if not matrix.shape[1] else matrix
            matrix[rows] = columns
            fold[rows] = np.where(kept[np.arange(rows.start, rows.stop) // design.rows_per_block], piece.fold, -1)
            trends[:, :, rows] = piece.all()
        for place, q in enumerate(outputs.tolist()):
            yield q, _Sample(points=matrix, values=centred[:, q], trends=trends[place], fold=fold)


def _pilot(sample: _Sample, points: ResidualPoints, kinds: tuple[str, ...], design: PickFreezeDesign) -> _Recipe:
    """The best recipe on fold 0."""
    train, test = sample.training(0), np.flatnonzero(sample.fold == 0)
    test = test[:: -(-len(test) // _TRIED_ROWS)]
    x, g = sample.points[test], sample.trends[0, test]
    alone = max(sample.error(0, np.zeros(len(test)), test), 1e-300)
    found: list[_Recipe] = []
    if "trees" in kinds:
        for on_trend in (True, False):
            trees = fit_trees(
                sample.points[train],
                sample.trends[0, train],
                sample.values[train],
                categorical=points.categorical,
                on_trend=on_trend,
            )
            errors = [sample.error(0, r, test) / alone for r in trees.stages(x, g)]
            best = int(np.argmin(errors))
            found.append(_Recipe(kind="trees", ratio=errors[best], on_trend=on_trend, rounds=best + 1))
    best = min(found, key=lambda r: r.ratio, default=None)
    if "gp" in kinds:
        rows = _gaussian_rows(train, design, 0)
        model, kernel = fit_gaussian(
            sample.points[rows], sample.trends[0, rows], sample.values[rows], n_metric=points.n_metric
        )
        ratio = sample.error(0, model.predict(x, g), test) / alone
        if best is None or ratio < _DEARER * best.ratio:
            best = _Recipe(kind="gp", ratio=ratio, kernel=kernel)
    return best or _Recipe(kind="trees", ratio=1.0)


def _cross_fit(sample: _Sample, points: ResidualPoints, recipe: _Recipe, design: PickFreezeDesign) -> ResidualFit:
    models: list[ResidualModel] = []
    left_out = np.zeros(len(sample.values))
    error = alone = 0.0
    for k in range(len(sample.trends)):
        train, test = sample.training(k), np.flatnonzero(sample.fold == k)
        if recipe.kind == "gp":
            train = _gaussian_rows(train, design, k)
        x, g, y = sample.points[train], sample.trends[k, train], sample.values[train]
        model: ResidualModel
        if recipe.kind == "gp":
            model, _ = fit_gaussian(x, g, y, n_metric=points.n_metric, kernel=recipe.kernel)
        else:
            model = fit_trees(x, g, y, categorical=points.categorical, on_trend=recipe.on_trend, rounds=recipe.rounds)
        models.append(model)
        left_out[test] = model.predict(sample.points[test], sample.trends[k, test])
        error += sample.error(k, left_out[test], test)
        alone += sample.error(k, np.zeros(len(test)), test)
    return ResidualFit(
        kind=recipe.kind, models=tuple(models), left_out=left_out, ratio=error / alone if alone > 0 else 1.0
    )


def _gaussian_rows(train: np.ndarray, design: PickFreezeDesign, k: int) -> np.ndarray:
    """Rows for a Gaussian process: independent rows A and B before all others, each kind in random order."""
    rng = generator(design.seed, "residual", "rows", k)
    independent = train % design.rows_per_block < 2
    order = [rng.permutation(train[independent]), rng.permutation(train[~independent])]
    return np.concatenate(order)[:GAUSSIAN_POINTS]
