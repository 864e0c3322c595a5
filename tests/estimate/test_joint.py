"""The share that inputs cause only together, against closed forms."""

import numpy as np
import pytest

from shiftgauge.estimate.convergence import sensitivity
from shiftgauge.estimate.joint import joint_share
from shiftgauge.estimate.reference import ISHIGAMI
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

SPACE = Space([Parameter(name=n, distribution="uniform", options={"low": 0, "high": 1}) for n in "abcd"])


def additive(x):
    return (np.exp(3 * x) * [1, 2, 3, 0.5]).sum(axis=1)


def peaked(x):
    """A product of four: its variance is Π (1 + v) - 1 with v = Var of a factor of mean 1, of which 4 v act alone."""
    return np.prod(1 + 1.6 * (x - 0.5), axis=1)


V = 1.6**2 / 12
TOGETHER = 1 - 4 * V / ((1 + V) ** 4 - 1)


def shares(function, seed, **options):
    found = sensitivity(function, SPACE, seed=seed, **{"estimator": "pick_freeze", "n_base": 128, **options})
    share, interval = joint_share(found.indices)
    return share[0], *interval[0]


def test_noise_of_first_indices_is_not_taken_for_inputs_acting_together():
    """A two-sided interval of 95 % begins above the truth in about 2.5 % of the runs."""
    found = np.array([shares(additive, seed) for seed in range(80)])
    assert (found[:, 0] > 0.02).any()
    assert (found[:, 1] > 0).sum() <= 6


@pytest.mark.parametrize("options", [{}, {"replicates": 1, "resamples": 300}, {"estimator": "assisted", "n_base": 64}])
def test_the_interval_holds_the_share_of_a_product(options):
    found = np.array([shares(peaked, seed, **options) for seed in range(40)])
    held = (found[:, 1] <= TOGETHER) & (found[:, 2] >= TOGETHER)
    assert held.sum() >= 34


def test_a_surrogate_alone_adds_up_the_half_widths():
    found = sensitivity(ISHIGAMI.function, ISHIGAMI.space, estimator="gpc", n_base=400, resamples=100).indices
    share, interval = joint_share(found)
    half = np.diff(found.first_order_interval)[0, :, 0].sum()
    assert interval[0, 1] - interval[0, 0] == pytest.approx(half)
    assert interval[0, 0] <= share[0] <= interval[0, 1]


def test_an_output_that_does_not_vary_has_no_share():
    found = sensitivity(
        lambda x: np.column_stack([additive(x), 0 * x[:, 0]]), SPACE, estimator="pick_freeze", n_base=64
    )
    share, interval = joint_share(found.indices)
    assert np.isnan(share).tolist() == [False, True]
    assert np.isnan(interval[1]).all()
