"""First-order indices from a sample that is already there: neighbours in rank stand for equal inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm

from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.sample import Sample, check_sample
from shiftgauge.estimate.sobol import constant_messages, variance_floor
from shiftgauge.estimate.values import OnFailure
from shiftgauge.random import generator
from shiftgauge.types import FloatArray, OutputsNQ

_LARGE_CLASS: Final = 8
"""From so many equal values on, they are compared with their own mean and not in pairs."""
_FEW: Final = 200
_WORK: Final = 4_000_000


@dataclass(frozen=True, kw_only=True)
class RankIndices:
    """First-order indices of d inputs on Q outputs, from a given sample.

    Args:
        names: The inputs.
        outputs: The outputs.
        n_evaluations: Number of rows.
        confidence_level: Of every interval.
        seed: Of the order of equal values.
        defined: Whether the output varies (Q,).
        mean: (Q,).
        variance: (Q,).
        first_order: (Q, d), unclipped, with interval (Q, d, 2).
        status: What to know about the result.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    n_evaluations: int
    confidence_level: float
    seed: int
    defined: np.ndarray
    mean: FloatArray
    variance: FloatArray
    first_order: FloatArray
    first_order_interval: FloatArray
    status: tuple[Status, ...] = ()


def rank_indices(
    inputs: FloatArray,
    values: OutputsNQ,
    *,
    names: Sequence[str],
    outputs: Sequence[str],
    categorical: Sequence[str] = (),
    on_failure: OnFailure = "raise",
    confidence_level: float = 0.95,
    seed: int = 0,
) -> RankIndices:
    """First-order indices S_i = Var E[f | x_i] / Var f from any independent rows.

    Sorted by x_i, neighbours have nearly the same x_i, so that half their mean squared difference is the variance that
    x_i leaves:

        S_i = 1 - [1/(n-1) Σ_j (y_(j+1) - y_(j))² / 2] / Var y

    Equal values (discrete inputs) have no order. Classes of 8 or more are compared with their own mean, which is the
    average over every way to break the ties; smaller ones are put in random order. A categorical input is
    handled by classes only. One sort serves all outputs, and one sample all inputs; these may be correlated, and the
    index is then Kucherenko's first-order index.

    The interval is the normal one of the central limit theorem, with the variance of the sum of products of neighbours
    (which depend on one another over one place) from the sample. The bootstrap is no alternative: a resample holds rows
    twice, which are then each other's neighbours, and the index comes out far too large.

    Args:
        inputs: (n, d); rows must be independent, as in simple random sampling or a record.
        values: (n, Q) or (n,).
        names: Of the inputs.
        outputs: Of the outputs.
        categorical: Names of inputs whose values are labels without an order.
        on_failure: `raise` an error on rows with NaN or infinity, or `drop` them with a warning.
        confidence_level: Of the intervals.
        seed: Of the order of equal values.

    Returns:
        Indices of every input on every output.

    Raises:
        DataError: Shapes that do not match, or fewer than 16 rows.
        NumericalError: NaN or infinity.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.random((2000, 2))
        >>> rank_indices(x, x @ [2.0, 1.0], names=["a", "b"], outputs=["y"]).first_order.round(1).tolist()
        [[0.8, 0.2]]

    Deviations from the paper:
        The paper pairs the last point with the first, which costs a bias of the order 1/n; here the last point has no
        successor. The variance of y has n - 1 in its denominator.

    References:
        Gamboa, F., Gremaud, P., Klein, T., Lagnoux, A. (2022). Global sensitivity analysis: a novel generation of
            mighty estimators based on rank statistics. doi:10.3150/21-BEJ1421
        Chatterjee, S. (2021). A new coefficient of correlation. doi:10.1080/01621459.2020.1758115
    """
    check_resampling(0, confidence_level)
    sample = check_sample(inputs, values, names=names, outputs=outputs, categorical=categorical, on_failure=on_failure)
    n, q = sample.values.shape
    mean = sample.values.mean(axis=0)
    variance = sample.values.var(axis=0, ddof=1)
    defined = variance > variance_floor(mean, variance)
    first, error = (np.full((q, len(sample.names)), np.nan) for _ in range(2))
    orders = [_Order(sample, i, seed) for i in range(len(sample.names))]
    for start in range(0, q, max(1, _WORK // n)):
        chosen = np.arange(start, min(q, start + max(1, _WORK // n)))
        chosen = chosen[defined[chosen]]
        y = (sample.values[:, chosen] - mean[chosen]) / np.sqrt(variance[chosen])
        for i, order in enumerate(orders):
            first[chosen, i], error[chosen, i] = order.index(y)
    half = norm.ppf((1 + confidence_level) / 2) * error
    return RankIndices(
        names=sample.names,
        outputs=sample.outputs,
        n_evaluations=n,
        confidence_level=confidence_level,
        seed=seed,
        defined=defined,
        mean=mean,
        variance=np.where(defined, variance, 0.0),
        first_order=first,
        first_order_interval=np.stack([first - half, first + half], axis=-1),
        status=(*sample.status, *constant_messages(defined, mean, outputs), *_messages(sample, orders)),
    )


class _Order:
    """The rows sorted by one input, split into large classes of equal values and the rest."""

    def __init__(self, sample: Sample, column: int, seed: int) -> None:
        x, labels = sample.inputs[:, column], column in sample.categorical
        shuffled = generator(seed, "ties", column).permutation(len(x))
        order = shuffled[np.argsort(x[shuffled], kind="stable")]
        _, count = np.unique(x[order], return_counts=True)
        self.levels = len(count)
        large = count >= (2 if labels else _LARGE_CLASS)
        inside = np.repeat(large, count)
        self.classed = order[inside]
        self.edges = np.cumsum(np.append(0, count[large]))
        single = order[~inside]
        # a label that occurs once says nothing, nor does a lone value among classes
        self.single = single[:0] if labels or len(single) < 4 else single
        self.used = len(self.classed) + len(self.single)
        self.dropped = len(x) - self.used

    def index(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Index and standard error of standardised outputs (n, q)."""
        if not self.used:
            nothing = np.full(y.shape[1], np.nan)
            return nothing, nothing
        parts = [self._within(y[self.classed]), self._neighbours(y[self.single])]
        left = np.sum([part.sum(axis=0) for part, _ in parts], axis=0) / self.used
        # influence of each row on 1 - left / variance, the variance being 1
        total, lagged = np.zeros(y.shape[1]), np.zeros(y.shape[1])
        for k, (part, rows) in enumerate(parts):
            influence = part - left * rows
            total += (influence**2).sum(axis=0)
            if k == 1 and len(influence) > 3:
                one, two = influence[:-1] * influence[1:], influence[:-2] * influence[2:]
                lagged += one.sum(axis=0) - two.sum(axis=0) * len(one) / len(two)
        spread = np.maximum(total + 2 * lagged, 0.0) / self.used
        return 1 - left, np.sqrt(spread / self.used)

    def _within(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is left in classes: (y - class mean)² n/(n-1), and y²."""
        if not len(y):
            return y, y
        size = np.diff(self.edges)
        mean = np.add.reduceat(y, self.edges[:-1], axis=0) / size[:, None]
        away = y - np.repeat(mean, size, axis=0)
        return away**2 * np.repeat(size / (size - 1), size)[:, None], y**2

    @staticmethod
    def _neighbours(y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is left between neighbours: half squared differences, scaled to as many as there are rows."""
        if not len(y):
            return y, y
        squares = y**2
        # one link fewer than rows; the last link's share goes to all
        links = np.diff(y, axis=0) ** 2 / 2 * (len(y) / (len(y) - 1))
        pair = (squares[:-1] + squares[1:]) / 2 * (len(y) / (len(y) - 1))
        return links, pair


def _messages(sample: Sample, orders: Sequence[_Order]) -> list[Status]:
    messages = []
    if len(sample) < _FEW:
        text = f"{len(sample)} rows are few: intervals of 95 % held the truth in 80 to 95 % of trials with 64 rows"
        messages.append(Status(level="warning", code="few_rows", message=text))
    for name, order in zip(sample.names, orders, strict=True):
        if order.levels == 1:
            text = f"`{name}` has one value only in this sample, so its index is zero by nature; leave it out"
            messages.append(Status(level="warning", code="constant_input", message=text))
        elif order.dropped > 0.05 * len(sample):
            text = (
                f"`{name}`: {order.dropped} of {len(sample)} rows bear a value that occurs once and were "
                "left out; join rare categories"
            )
            messages.append(Status(level="warning", code="rare_categories", message=text))
    return messages
