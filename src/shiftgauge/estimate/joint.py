"""The share of the variance that inputs cause only together, with its interval."""

import numpy as np

from shiftgauge.estimate.moments import MomentSource, mean_error
from shiftgauge.estimate.resampling import Resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.sobol import ratios, variance_floor
from shiftgauge.types import FloatArray


def joint_share(indices: Indices) -> tuple[FloatArray, FloatArray]:
    """Share of the variance that no input causes alone, of each output.

    J = 1 - Σ S_i, which is 0 for an additive function of independent inputs. The errors of the S_i add up in it, and
    hang together, so its interval comes from the replicates or resamples of the indices themselves. Where an estimator
    keeps no moments (`gpc`) it is [1 - Σ high_i, 1 - Σ low_i]: the half-widths add, which no dependence between the
    errors can exceed.

    Args:
        indices: Of independent inputs, from any estimator.

    Returns:
        J (Q,), which sampling can bring below 0, and its interval (Q, 2); NaN for outputs that do not vary.

    Example:
        >>> from shiftgauge.estimate.convergence import sensitivity
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> found = sensitivity(ISHIGAMI.function, ISHIGAMI.space, estimator="assisted", n_base=512)
        >>> share, interval = joint_share(found.indices)
        >>> share.round(2).tolist(), bool(interval[0, 0] > 0.2)
        ([0.24], True)

    References:
        Sobol', I. M. (1993). Sensitivity estimates for nonlinear mathematical models. Math. Modelling Comput. Exp. 1,
            407-414.
    """
    source = indices.moments
    if source is None:
        ends = 1 - indices.first_order_interval.sum(axis=1)
        return 1 - indices.first_order.sum(axis=1), ends[:, ::-1]
    resampling = Resampling.of(source.design.grouping, indices.resamples, indices.seed)
    found = [_of_output(source, q, resampling, indices.confidence_level) for q in range(len(indices.outputs))]
    return np.array([share for share, _ in found]), np.array([ends for _, ends in found]).reshape(-1, 2)


def _of_output(source: MomentSource, q: int, resampling: Resampling, level: float) -> tuple[float, FloatArray]:
    sums = source.sums(slice(q, q + 1))
    error, chosen = mean_error(sums), resampling.among(sums.counts)
    columns = sums.values.sum(axis=-1) / sums.counts.sum()
    floor = variance_floor(source.centre[q : q + 1], columns[1])
    share = 1 - ratios(columns, source.layout, floor, error)["first"].sum(axis=1)
    resampled = 1 - ratios(chosen.means(sums.values, sums.counts), source.layout, floor, error)["first"].sum(axis=1)
    return float(share[0]), chosen.interval(share, resampled, level)[0]
