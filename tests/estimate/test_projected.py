"""Indices of a vector from its projections: unbiased for those of the vector, with an interval that shrinks with k."""

import numpy as np
import pytest
from scipy.stats import t as student

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.aggregate import aggregated_indices
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.projected import projected_indices
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

D = 200
SPACE = Space([Parameter(name=n, distribution="uniform", options={"low": -1, "high": 1}) for n in "abcd"])
RNG = np.random.default_rng(1)
WEIGHT = RNG.normal(size=(4, D)) * np.array([2, 1.0, 0.7, 0.2])[:, None]
PRODUCT = 1.5 * RNG.normal(size=D)
PARTS = np.array([*(WEIGHT**2).sum(axis=1) / 3, (PRODUCT**2).sum() / 9])
FIRST = PARTS[:4] / PARTS.sum()
TOTAL = FIRST + np.array([1, 1, 0, 0]) * PARTS[4] / PARTS.sum()


def vector(seed, n_base=64):
    """z = x W + x_a x_b p with x uniform on [-1, 1]: the aggregated indices are known in closed form."""
    design = PickFreezeDesign(inputs=Inputs(space=SPACE), n_base=n_base, seed=seed)
    x = design.rows(0, design.n_rows).theta
    return design, x @ WEIGHT + x[:, :1] * x[:, 1:2] * PRODUCT


def found(design, y, k):
    return projected_indices(pick_freeze(design, y, outputs=[f"y{j}" for j in range(y.shape[1])]), k)


def signs(seed, k):
    return np.random.default_rng(seed).choice([-1.0, 1.0], (D, k)) / np.sqrt(D)


def test_whole_vector_gives_its_aggregated_indices():
    design, z = vector(0, 256)
    got = found(design, z, 0)
    whole = aggregated_indices(pick_freeze(design, z, outputs=[str(j) for j in range(D)]))
    np.testing.assert_array_equal(got.first_order, whole.first_order[0])
    np.testing.assert_allclose(got.total_order_interval, whole.total_order_interval[0], rtol=1e-12)
    np.testing.assert_allclose(got.total_order, TOTAL, atol=0.03)
    assert got.variance == pytest.approx(PARTS.sum() / D, rel=0.03)
    assert not got.direction_error.any()


def test_sums_over_directions_are_unbiased_for_the_vector_on_the_same_sample():
    """Mean over many sets of directions of numerator and denominator is that of the whole vector, sample by sample."""
    design, z = vector(0)
    whole = pick_freeze(design, z, outputs=[str(j) for j in range(D)])
    below, above = [], []
    for seed in range(150):
        y = z @ signs(seed, 8)
        part = pick_freeze(design, y, outputs=[str(j) for j in range(8)])
        below.append(part.variance.mean())
        above.append((part.variance[:, None] * part.total_order).mean(axis=0))
    expected = (whole.variance[:, None] * whole.total_order).mean(axis=0)
    error = np.std(above, axis=0) / np.sqrt(150)
    assert (np.abs(np.mean(above, axis=0) - expected) < 4 * error).all()
    assert abs(np.mean(below) - whole.variance.mean()) < 4 * np.std(below) / np.sqrt(150)


def test_error_of_the_directions_falls_with_their_root_and_the_interval_knows_it():
    design, z = vector(0)
    whole = found(design, z, 0).total_order
    spread, stated = {}, {}
    for k in (8, 32, 128):
        runs = [found(design, z @ signs(1000 * k + seed, k), k) for seed in range(60)]
        away = np.array([r.total_order - whole for r in runs])
        spread[k] = np.sqrt((away**2).mean(axis=0))
        stated[k] = np.mean([r.direction_error[1] for r in runs], axis=0) / student.ppf(0.975, k - 1)
    for k in (8, 32):
        assert (spread[k] / spread[4 * k] > 1.4).all()
        assert (spread[k] / spread[4 * k] < 2.9).all()
    for k, error in spread.items():
        assert (stated[k] > 0.7 * error).all()
        assert (stated[k] < 1.6 * error).all()


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    hit = np.zeros(8)
    for seed in range(60):
        design, z = vector(seed)
        got = found(design, z @ signs(seed, 16), 16)
        low = np.concatenate([got.first_order_interval[:, 0], got.total_order_interval[:, 0]])
        high = np.concatenate([got.first_order_interval[:, 1], got.total_order_interval[:, 1]])
        truth = np.concatenate([FIRST, TOTAL])
        hit += (low <= truth) & (truth <= high)
    assert hit.min() >= 48  # a 95 % interval misses this in 2 of 100,000 sets of 60
    assert hit.mean() >= 54


def test_outputs_of_one_direction_are_left_out_together():
    """Two images: both have the same directions, so that twice the outputs tell no more about the directions."""
    design, z = vector(0)
    y = z @ signs(0, 16)
    once, twice = found(design, y, 16), found(design, np.hstack([y, y]), 16)
    np.testing.assert_allclose(twice.direction_error, once.direction_error, rtol=1e-10)
    np.testing.assert_allclose(twice.first_order_interval, once.first_order_interval, rtol=1e-10)


def test_vector_that_never_changes_has_no_indices():
    design, z = vector(0)
    got = found(design, np.ones((len(z), 8)), 8)
    assert np.isnan(got.first_order).all()
    assert np.isnan(got.total_order_interval).all()


@pytest.mark.parametrize(("k", "error"), [(1, ConfigError), (-3, ConfigError), (7, DataError)])
def test_directions_that_do_not_fit_are_refused(k, error):
    design, z = vector(0)
    with pytest.raises(error, match="directions"):
        found(design, z[:, :16], k)
