"""What a grid search gave: a row for each combination, the best one, and what choosing it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from shiftgauge.errors import NumericalError
from shiftgauge.files import write_atomic
from shiftgauge.studies.fold_outcome import FoldOutcome
from shiftgauge.train.crossval import FoldSpread, compare_folds, fold_spread, mean_test_ratio
from shiftgauge.types import FloatArray

TABLE_FILE: Final = "grid.csv"


@dataclass(frozen=True, kw_only=True, eq=False)
class GridSearch:
    """Combinations of values, measured on the same folds.

    Args:
        cells: Values of each combination; those whose row is still to come have no outcome.
        outcomes: What the folds of each finished row gave.
        metric: By which rows are ordered.
        folder: Where it lies.
        confidence_level: Of the intervals.
    """

    cells: tuple[Mapping[str, Any], ...]
    outcomes: tuple[tuple[FoldOutcome, ...], ...]
    metric: str
    folder: Path
    confidence_level: float = 0.95

    @property
    def values_rj(self) -> FloatArray:
        """The figure of each row on each fold (R, J); NaN where a training diverged."""
        return np.array([[outcome.values[self.metric] for outcome in row] for row in self.outcomes])

    @property
    def test_ratio(self) -> float:
        """Images held out over training images, the mean over folds."""
        counts = [[outcome.n_images[part] for outcome in self.outcomes[0]] for part in ("test", "train")]
        return mean_test_ratio(*counts)

    @property
    def best_row(self) -> int:
        """Number of the row with the best mean over folds, from 0; of equal ones the first.

        Raises:
            NumericalError: No row has a figure on every fold.
        """
        scores = self._scores().mean(axis=1)
        if not np.isfinite(scores).any():
            raise NumericalError(
                "every training of the grid diverged in some fold; lower `learning_rate`, or set `options.clip`"
            )
        return int(np.nanargmax(np.where(np.isfinite(scores), scores, np.nan)))

    @property
    def any_finished(self) -> bool:
        """Whether a row has a figure on every fold, so that there is a best one."""
        return bool(np.isfinite(self.values_rj).all(axis=1).any())

    @property
    def best(self) -> dict[str, Any]:
        """Values, spread and standard errors of the best row, and what choosing it costs.

        `chosen_without_fold`: for each fold the row that is best on all others is taken, and what it scores on that
        fold; the mean of these is nearly free of the choice (Tibshirani and Tibshirani 2009 correct for the same).
        `optimism`: how much better the best row's own mean is. `rows_within_error`: rows whose mean lies within one
        corrected standard error of the best, itself included: the data hardly tell them apart.

        References:
            Tibshirani, R. J., Tibshirani, R. (2009). A bias correction for the minimum error rate in cross-validation.
            Annals of Applied Statistics 3, 822-829. doi:10.1214/08-AOAS224
            Cawley, G. C., Talbot, N. L. C. (2010). On over-fitting in model selection and subsequent selection bias in
            performance evaluation. Journal of Machine Learning Research 11, 2079-2107.
        """
        row, scores = self.best_row, self._scores()
        spread = self._spread(row)
        means, sign = scores.mean(axis=1), self._sign
        without = sign * chosen_without_fold(scores)
        near = int((means >= means[row] - spread.corrected_error).sum()) if len(scores[0]) > 1 else 1
        return {
            **self.cells[row],
            **asdict(spread),
            "chosen_without_fold": without,
            "optimism": sign * (spread.mean - without),
            "rows_within_error": near,
            "rows": len(self.outcomes),
        }

    @property
    def table(self) -> pd.DataFrame:
        """A row for each finished combination, in the order of the grid.

        Columns: the values; `mean`, `standard_deviation`, `standard_error`, `corrected_error`, `low`, `high` of the
        figure over folds; `fold_1` …; `difference_to_best` with `difference_low`, `difference_high` and `p_value` of
        the corrected resampled t-test on the same folds, which takes the best row as if it had not been chosen; `best`;
        `epochs`, `seconds`, and `status`, `done` or why a training diverged.
        """
        best = self.best_row if self.any_finished else -1
        return pd.DataFrame([self._row(r, best) for r in range(len(self.outcomes))])

    def with_row(self, outcomes: tuple[FoldOutcome, ...]) -> GridSearch:
        """The same with the next row finished."""
        return replace(self, outcomes=(*self.outcomes, outcomes))

    def written(self) -> GridSearch:
        """Writes `grid.csv`.

        Raises:
            StoreError: The folder cannot be written to.
        """
        write_atomic(self.folder / TABLE_FILE, self.table.to_csv(index=False))
        return self

    @property
    def _sign(self) -> int:
        return -1 if self.metric == "loss" else 1

    def _scores(self) -> FloatArray:
        """The figures, of which more is better; a row with a diverged fold is NaN as a whole."""
        scores = self._sign * self.values_rj
        return np.where(np.isfinite(scores).all(axis=1, keepdims=True), scores, np.nan)

    def _spread(self, row: int) -> FoldSpread:
        options: dict[str, Any] = {"test_ratio": self.test_ratio, "confidence_level": self.confidence_level}
        return fold_spread(self.values_rj[row], **options)

    def _row(self, row: int, best: int) -> dict[str, Any]:
        values, outcomes = self.values_rj[row], self.outcomes[row]
        problem = next((outcome.problem for outcome in outcomes if outcome.problem), "")
        found: dict[str, Any] = dict(self.cells[row])
        found |= dict.fromkeys(_FIGURES, math.nan) if problem else {k: asdict(self._spread(row))[k] for k in _FIGURES}
        found |= {f"fold_{f + 1}": value for f, value in enumerate(values)}
        found |= dict.fromkeys(_COMPARED, math.nan)
        if not problem and best >= 0 and len(values) > 1:
            more: dict[str, Any] = {"test_ratio": self.test_ratio, "confidence_level": self.confidence_level}
            pair = compare_folds(values, self.values_rj[best], **more)
            found |= dict(zip(_COMPARED, (pair.difference, pair.low, pair.high, pair.p_value), strict=True))
        return found | {
            "best": row == best,
            "epochs": sum(len(outcome.history) for outcome in outcomes),
            "seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
            "status": problem or "done",
        }


_FIGURES: Final = ("mean", "standard_deviation", "standard_error", "corrected_error", "low", "high")
_COMPARED: Final = ("difference_to_best", "difference_low", "difference_high", "p_value")


def chosen_without_fold(scores_rj: FloatArray) -> float:
    """Mean over folds of what the row scores that is best on all other folds.

    Args:
        scores_rj: Scores, of which more is better (R, J); rows with a NaN are left out.

    Returns:
        NaN with one fold, which cannot choose without itself.

    Example:
        >>> chosen_without_fold(np.array([[1.0, 0.0, 0.0], [0.4, 0.4, 0.4]])).__round__(4)
        0.1333

    References:
        Tibshirani, R. J., Tibshirani, R. (2009). A bias correction for the minimum error rate in cross-validation.
        doi:10.1214/08-AOAS224
    """
    scores = np.asarray(scores_rj, np.float64)
    scores = scores[np.isfinite(scores).all(axis=1)]
    if not len(scores) or scores.shape[1] < 2:
        return math.nan
    others = scores.sum(axis=1, keepdims=True) - scores
    return float(np.mean([scores[others[:, f].argmax(), f] for f in range(scores.shape[1])]))
