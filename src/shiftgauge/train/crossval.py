"""What the folds of a cross-validation say: mean, spread, and how two recipes differ on the same folds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from shiftgauge.checks import require_range
from shiftgauge.errors import DataError, NumericalError
from shiftgauge.train.sign_flips import sign_flip_interval, sign_flip_p
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class FoldSpread:
    """The mean of a figure over folds, and how far it may be trusted.

    Args:
        n_folds: J, values in all.
        mean: Their mean.
        standard_deviation: s, from fold to fold, with J - 1 in the denominator; NaN for one fold.
        standard_error: s / √J, as if folds were independent; too small, for their training images overlap.
        corrected_error: s √(1/J + ρ), with the correction of Nadeau and Bengio.
        low: Lower end of Student's interval by the corrected error.
        high: Its upper end.
        confidence_level: Of the interval.
    """

    n_folds: int
    mean: float
    standard_deviation: float
    standard_error: float
    corrected_error: float
    low: float
    high: float
    confidence_level: float


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """By how much one recipe is better than another on the same folds.

    Args:
        n_folds: J.
        difference: Mean of first minus second.
        standard_error: s √(1/J + ρ) of the differences.
        low: Lower end of the interval of the corrected resampled t-test.
        high: Its upper end.
        p_value: Two-sided, of that test.
        sign_flip_low: Lower end of the interval of the sign-flip test; -inf where there are too few folds for the
            level, fewer than 6 for 95 %.
        sign_flip_high: Its upper end, or inf.
        sign_flip_p: Two-sided p-value of the sign-flip test.
        exact: Whether all sign patterns were counted.
        confidence_level: Of both intervals.
    """

    n_folds: int
    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float
    sign_flip_low: float
    sign_flip_high: float
    sign_flip_p: float
    exact: bool
    confidence_level: float


def fold_spread(
    values_j: npt.ArrayLike, *, test_ratio: float | None = None, confidence_level: float = 0.95
) -> FoldSpread:
    r"""Returns mean, spread, standard errors and interval of a figure over folds.

    $$ \bar v \pm t_{J-1} \, s \sqrt{\tfrac1J + \rho}, \qquad \rho = n_\mathrm{test} / n_\mathrm{train} $$

    Fold estimates are correlated: any two networks share most of their training images. s/√J takes them for independent
    and is too small; no estimator of the variance of cross-validation is unbiased for every distribution (Bengio and
    Grandvalet 2004). Nadeau and Bengio's correction puts ρ for the unknown correlation ρ / (1 + ρ). It was derived for
    training sets drawn at random again and again, and for folds it is the customary approximation. None of this covers
    that another data set would have other persons.

    Args:
        values_j: One value for each fold (J,), over all repeats where there are several.
        test_ratio: ρ > 0, test images over training images of a fold; default 1 / (J - 1), that of J folds without
            repeats and without a validation part.
        confidence_level: In (0, 1).

    Returns:
        The figures; with one fold all but the mean are NaN.

    Raises:
        DataError: No value.
        NumericalError: A value that is NaN or infinite; the message names the fold.
        ConfigError: A ratio or a level outside its range.

    Example:
        >>> found = fold_spread([0.71, 0.69, 0.74, 0.70, 0.72])
        >>> round(found.mean, 3), round(found.standard_error, 4), round(found.corrected_error, 4)
        (0.712, 0.0086, 0.0129)

    References:
        Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52, 239-281.
        doi:10.1023/A:1024068626366
        Bengio, Y., Grandvalet, Y. (2004). No unbiased estimator of the variance of k-fold cross-validation. Journal of
        Machine Learning Research 5, 1089-1105.
    """
    values = _checked(values_j)
    require_range("confidence_level", confidence_level, 0.5, 0.9999)
    n, mean = len(values), float(values.mean())
    if n == 1:
        unknown = dict.fromkeys(("standard_deviation", "standard_error", "corrected_error", "low", "high"), math.nan)
        return FoldSpread(n_folds=1, mean=mean, confidence_level=confidence_level, **unknown)
    spread = _spread(values)
    corrected = spread * math.sqrt(1 / n + _ratio(test_ratio, n))
    half = float(stats.t.ppf((1 + confidence_level) / 2, n - 1)) * corrected
    return FoldSpread(
        n_folds=n,
        mean=mean,
        standard_deviation=spread,
        standard_error=spread / math.sqrt(n),
        corrected_error=corrected,
        low=mean - half,
        high=mean + half,
        confidence_level=confidence_level,
    )


def compare_folds(
    first_j: npt.ArrayLike,
    second_j: npt.ArrayLike,
    *,
    test_ratio: float | None = None,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> PairedComparison:
    r"""Compares two recipes by the same figure on the same folds.

    The corrected resampled t-test of Nadeau and Bengio takes the differences d of the folds,
    $t = \bar d \, / \, (s \sqrt{1/J + \rho})$ with J - 1 degrees of freedom; where all differences are equal, its
    p-value is 1 if they are 0 and 0 else. Its answer rests on the approximation that `fold_spread` tells of.

    The sign-flip test asks how many of the 2^J patterns of signs give a mean as far from 0: exact where differences
    are symmetric about 0 and independent under the null hypothesis, which overlapping training sets violate as well.
    Its smallest p-value is 2 / 2^J, 0.0625 with five folds. Look at both, and at the interval before the p-value.

    Args:
        first_j: Figure of the first recipe on each fold (J,).
        second_j: That of the second on the same folds, in the same order.
        test_ratio: ρ, as in `fold_spread`.
        confidence_level: Of the intervals.
        seed: Of the patterns that are drawn where there are too many to count, beyond 20 folds.

    Returns:
        Difference, intervals and p-values; a positive difference says that the first is larger.

    Raises:
        DataError: Fewer than two folds, or other folds of the second recipe.
        NumericalError: A value that is NaN or infinite; the message names the fold.

    Example:
        >>> found = compare_folds([0.72, 0.75, 0.71, 0.74, 0.73, 0.76], [0.70, 0.71, 0.70, 0.70, 0.71, 0.72])
        >>> round(found.difference, 4), round(found.p_value, 4), found.sign_flip_p
        (0.0283, 0.0169, 0.03125)

    References:
        Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52, 239-281.
        doi:10.1023/A:1024068626366
        Fisher, R. A. (1935). The Design of Experiments. Oliver and Boyd. (on flipping signs)
        Hartigan, J. A. (1969). Using subsample values as typical values. Journal of the American Statistical
        Association 64, 1303-1317. doi:10.1080/01621459.1969.10501057
    """
    first, second = _checked(first_j), _checked(second_j)
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} folds of the first recipe and {len(second)} of the second; compare the same folds"
        )
    if len(first) < 2:
        raise DataError("one fold says nothing of how folds differ; compare at least two")
    found = fold_spread(first - second, test_ratio=test_ratio, confidence_level=confidence_level)
    differences = first - second
    flips = sign_flip_interval(differences, confidence_level, seed=seed)
    p_value, exact = sign_flip_p(differences, seed=seed)
    return PairedComparison(
        n_folds=found.n_folds,
        difference=found.mean,
        standard_error=found.corrected_error,
        low=found.low,
        high=found.high,
        p_value=_p_value(found),
        sign_flip_low=flips[0],
        sign_flip_high=flips[1],
        sign_flip_p=p_value,
        exact=exact,
        confidence_level=confidence_level,
    )


def _p_value(found: FoldSpread) -> float:
    if found.corrected_error == 0:
        return 1.0 if found.mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(found.mean) / found.corrected_error, found.n_folds - 1))


def _spread(values: FloatArray) -> float:
    """Standard deviation from fold to fold; exactly 0 where all values are equal, whatever their mean rounds to."""
    return 0.0 if np.ptp(values) == 0 else float(values.std(ddof=1))


def _ratio(test_ratio: float | None, n: int) -> float:
    return 1 / (n - 1) if test_ratio is None else require_range("test_ratio", test_ratio, 0)


def _checked(values_j: npt.ArrayLike) -> FloatArray:
    values = np.asarray(values_j, np.float64)
    if values.ndim != 1 or not len(values):
        raise DataError(f"values must be one for each fold (J ≥ 1,), got shape {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise NumericalError(f"the value of fold {bad[0] + 1} is {values[bad[0]]}; leave that fold out of both recipes")
    return values


def mean_test_ratio(n_test_j: npt.ArrayLike, n_train_j: npt.ArrayLike) -> float:
    """Returns ρ for folds as they are: the mean over folds of test images over training images.

    Args:
        n_test_j: Test images of each fold (J,).
        n_train_j: Training images of each fold (J,), originals alone: a copy adds nothing that is independent.

    Raises:
        DataError: A fold without images, or numbers of other folds.

    Example:
        >>> mean_test_ratio([10, 10], [40, 40])
        0.25
    """
    test, train = np.asarray(n_test_j, np.float64), np.asarray(n_train_j, np.float64)
    if test.shape != train.shape or test.ndim != 1 or not len(test) or min(test.min(), train.min()) < 1:
        raise DataError("give the number of test and of training images of each fold, each at least 1")
    return float((test / train).mean())
