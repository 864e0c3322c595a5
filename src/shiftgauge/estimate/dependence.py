"""Dependence of any kind between inputs and outputs of a given sample: the Hilbert-Schmidt independence criterion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from scipy.stats import norm

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.estimate.kernel import BANDWIDTHS, Bandwidth, gaussian_factor, label_factor
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.sample import Sample, check_sample
from shiftgauge.estimate.sobol import constant_messages, variance_floor
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.estimate.values import OnFailure
from shiftgauge.random import check_seed, generator
from shiftgauge.types import FloatArray, OutputsNQ

Statistic: TypeAlias = Literal["u", "v"]
STATISTICS: Final[tuple[str, ...]] = get_args(Statistic)
_BLOCK: Final = 2_000_000
"""Numbers of permuted features held at once."""


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """Dependence between d inputs and Q outputs, with a test of independence.

    Args:
        names: The inputs.
        outputs: The outputs.
        n_evaluations: Number of rows.
        statistic: `u` (unbiased; may be negative) or `v` (never negative, too large by the order 1/n).
        permutations: Number of permutations behind the p-values.
        confidence_level: Of the intervals.
        seed: Of the permutations.
        defined: Whether the output varies (Q,).
        hsic: HSIC(x_i, y) (Q, d).
        r2: HSIC(x, y) / √(HSIC(x, x) HSIC(y, y)) (Q, d): 0 for independence, 1 for identity; with interval (Q, d, 2),
            which holds where there is dependence.
        p_value: Share of permutations that depend as much as the sample does (Q, d); uniform under independence.
        status: What to know about the result.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    n_evaluations: int
    statistic: str
    permutations: int
    confidence_level: float
    seed: int
    defined: np.ndarray
    hsic: FloatArray
    r2: FloatArray
    r2_interval: FloatArray
    p_value: FloatArray
    status: tuple[Status, ...] = ()


def hsic(
    inputs: FloatArray,
    values: OutputsNQ,
    *,
    names: Sequence[str],
    outputs: Sequence[str],
    categorical: Sequence[str] = (),
    categorical_outputs: Sequence[str] = (),
    statistic: Statistic = "u",
    bandwidth: Bandwidth = "median",
    permutations: int = 500,
    on_failure: OnFailure = "raise",
    confidence_level: float = 0.95,
    seed: int = 0,
) -> Dependence:
    """HSIC of every input with every output, its normalised form R², and a permutation test.

    With kernels k of the input and l of the output, centred by H: HSIC = tr(K H L H)/n². It is zero only for
    independence, and needs no more than one sample of a few hundred rows. It tells whether and how strongly an
    input acts, not which share of the variance it has.

    Kernels are Gaussian, and for labels 1 or 0 for equal or not. Both are held as thin factors (K = ΦΦ' up to 1e-9 of
    its trace), so that HSIC = |Φ_x' H Φ_y|²/n² takes memory of the order n instead of n², and all inputs and outputs of
    one permutation are one matrix product.

    Args:
        inputs: (n, d); rows must be independent.
        values: (n, Q) or (n,).
        names: Of the inputs.
        outputs: Of the outputs.
        categorical: Names of inputs whose values are labels.
        categorical_outputs: Names of outputs whose values are labels, such as a predicted class.
        statistic: `u` or `v`.
        bandwidth: Of the Gaussian kernels: `median` distance or standard deviation `std`.
        permutations: For the p-values, ≥ 0; the smallest possible is 1/(permutations + 1). With 0 they are NaN.
        on_failure: `raise` an error on rows with NaN or infinity, or `drop` them with a warning.
        confidence_level: Of the intervals of R².
        seed: Of the permutations.

    Returns:
        Dependence of every pair.

    Raises:
        DataError: Shapes that do not match, or fewer than 16 rows.
        NumericalError: NaN or infinity.
        ConfigError: An unknown option.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-1, 1, (300, 2))
        >>> found = hsic(x, np.cos(4 * x[:, 0]), names=["a", "b"], outputs=["y"])
        >>> bool(found.p_value[0, 0] < 0.01 < found.p_value[0, 1])
        True

    References:
        Gretton, A., Bousquet, O., Smola, A., Schölkopf, B. (2005). Measuring statistical dependence with
            Hilbert-Schmidt norms. doi:10.1007/11564089_7
        Song, L., Smola, A., Gretton, A., Bedo, J., Borgwardt, K. (2012). Feature selection via dependence maximization
            (the U-statistic). JMLR 13, 1393-1434.
        Da Veiga, S. (2015). Global sensitivity analysis with dependence measures. doi:10.1080/00949655.2014.945932
    """
    _check_options(statistic, bandwidth, permutations, confidence_level, seed)
    _check_labels(categorical_outputs, outputs)
    sample = check_sample(
        inputs,
        values,
        names=names,
        outputs=outputs,
        categorical=categorical,
        categorical_outputs=categorical_outputs,
        on_failure=on_failure,
    )
    mean, variance = sample.values.mean(axis=0), sample.values.var(axis=0)
    defined = variance > variance_floor(mean, variance)
    with bounded_threads(2.0 * len(sample) * 40 * 40 * len(names) * max(permutations, 1)):
        x = [_Features(sample.inputs[:, i], i in sample.categorical, bandwidth) for i in range(len(names))]
        y = [_Features(sample.values[:, q], outputs[q] in categorical_outputs, bandwidth) for q in range(len(outputs))]
        value, r2, error = _pairs(x, y, statistic, defined)
        p_value = _p_values(x, y, value, statistic, permutations, seed)
    half = norm.ppf((1 + confidence_level) / 2) * error
    flat = np.ptp(sample.inputs, axis=0) == 0
    for table, nothing in ((value, 0.0), (r2, 0.0), (half, 0.0), (p_value, 1.0 if permutations else np.nan)):
        table[np.ix_(defined, flat)] = nothing
    return Dependence(
        names=sample.names,
        outputs=sample.outputs,
        n_evaluations=len(sample),
        statistic=statistic,
        permutations=permutations,
        confidence_level=confidence_level,
        seed=seed,
        defined=defined,
        hsic=value,
        r2=r2,
        r2_interval=np.stack([r2 - half, r2 + half], axis=-1),
        p_value=p_value,
        status=(*sample.status, *constant_messages(defined, mean, outputs), *_messages(sample, flat)),
    )


def _check_options(statistic: str, bandwidth: str, permutations: int, confidence_level: float, seed: int) -> None:
    check_resampling(0, confidence_level)
    check_seed(seed)
    require_positive_int("permutations", permutations, low=0)
    require_in("statistic", statistic, STATISTICS)
    require_in("bandwidth", bandwidth, BANDWIDTHS)


def _check_labels(categorical: Sequence[str], names: Sequence[str]) -> None:
    for name in categorical:
        require_in("output", name, names)


class _Features:
    """The factor of one variable's kernel, and what the statistics need of it."""

    def __init__(self, value_n: FloatArray, labels: bool, bandwidth: str) -> None:
        self.raw = label_factor(value_n) if labels else gaussian_factor(value_n, bandwidth)
        self.centred = self.raw - self.raw.mean(axis=0)
        self.diagonal = np.einsum("nr,nr->n", self.raw, self.raw)
        self.row_sums = self.raw @ self.raw.sum(axis=0) - self.diagonal  # of the kernel without its diagonal
        self.rank = self.raw.shape[1]


def _pairs(
    x: Sequence[_Features], y: Sequence[_Features], kind: str, defined: np.ndarray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """HSIC, R² and the error of R² of every pair (Q, d), NaN where the output does not vary."""
    value, r2, error = (np.full((len(y), len(x)), np.nan) for _ in range(3))
    own = [_statistic(a, a, kind) for a in x]
    for q in np.flatnonzero(defined).tolist():
        own_y = _statistic(y[q], y[q], kind)
        for i, a in enumerate(x):
            value[q, i] = _statistic(a, y[q], kind)
            r2[q, i], error[q, i] = _ratio(a, y[q], value[q, i], own[i], own_y)
    return value, r2, error


def _statistic(a: _Features, b: _Features, kind: str) -> float:
    if kind == "v":
        cross = a.centred.T @ b.centred
        return float(np.sum(cross**2)) / len(a.raw) ** 2
    cross = a.raw.T @ b.raw
    return float(_u_statistic(np.sum(cross**2), a, b, a.row_sums @ b.row_sums, a.diagonal @ b.diagonal))


def _u_statistic(
    cross: FloatArray | float, a: _Features, b: _Features, sums: FloatArray | float, diagonal: FloatArray | float
) -> FloatArray | float:
    """The unbiased statistic from |Φ_a' Φ_b|² and the products of row sums and diagonals."""
    n = len(a.raw)
    outer = a.row_sums.sum() * b.row_sums.sum() / ((n - 1) * (n - 2))
    return (cross - diagonal + outer - 2 / (n - 2) * sums) / (n * (n - 3))


def _ratio(a: _Features, b: _Features, value: float, own_a: float, own_b: float) -> tuple[float, float]:
    """R² and its standard error, by the delta method from each row's influence."""
    if own_a <= 0 or own_b <= 0:
        return 0.0, 0.0
    r2 = value / np.sqrt(own_a * own_b)
    influence = _influence(a, b) / np.sqrt(own_a * own_b)
    influence = influence - r2 / 2 * (_influence(a, a) / own_a + _influence(b, b) / own_b)
    return float(r2), float(influence.std() / np.sqrt(len(influence)))


def _influence(a: _Features, b: _Features) -> FloatArray:
    """Twice the row's share of |C|², C being the cross-covariance of the features."""
    cross = a.centred.T @ b.centred / len(a.raw)
    return 2 * np.einsum("nr,nr->n", a.centred @ cross, b.centred)


def _p_values(
    x: Sequence[_Features], y: Sequence[_Features], value: FloatArray, kind: str, permutations: int, seed: int
) -> FloatArray:
    """(1 + number of permutations with a statistic as large) / (permutations + 1), for every pair."""
    if not permutations:
        return np.full(value.shape, np.nan)
    n, centred = len(x[0].raw), kind == "v"
    left = np.hstack([a.centred if centred else a.raw for a in x]).T.copy()
    starts = np.cumsum([0, *(a.rank for a in x)])[:-1]
    rng = generator(seed, "permutation", n)
    reached = np.zeros(value.shape)
    size = max(1, _BLOCK // (n * max(b.rank for b in y)))
    for start in range(0, permutations, size):
        part = np.array([rng.permutation(n) for _ in range(min(size, permutations - start))])
        for q, b in enumerate(y):
            right = b.centred if centred else b.raw
            moved = np.moveaxis(right[part], 0, 1).reshape(n, -1)
            square = ((left @ moved) ** 2).reshape(len(left), len(part), b.rank).sum(axis=2)
            cross = np.add.reduceat(square, starts, axis=0)
            for i, a in enumerate(x):
                found = cross[i] / n**2
                if not centred:
                    found = _u_statistic(cross[i], a, b, b.row_sums[part] @ a.row_sums, b.diagonal[part] @ a.diagonal)
                reached[q, i] += np.sum(found >= value[q, i] - 1e-12 * abs(value[q, i]))
    return np.where(np.isnan(value), np.nan, (1 + reached) / (permutations + 1))


def _messages(sample: Sample, flat: np.ndarray) -> list[Status]:
    messages = []
    if flat.any():
        name = np.asarray(sample.names)[flat][0]
        text = f"`{name}` has one value only in this sample, so that nothing can depend on it; leave it out"
        messages.append(Status(level="warning", code="constant_input", message=text))
    if len(sample) < 100:
        text = f"{len(sample)} rows are few: the p-values hold, but R² has a wide spread"
        messages.append(Status(level="info", code="few_rows", message=text))
    return messages
