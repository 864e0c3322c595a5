import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions, candidate_sets
from shiftgauge.estimate.chaos.indices import chaos_columns, component_matrix, group_support
from shiftgauge.estimate.crossfit import cross_fit
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.estimate.rough.expectation import fresh_blocks, residual_expectations
from shiftgauge.estimate.rough.points import ResidualPoints
from shiftgauge.estimate.rough.search import ResidualFit
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

SPACE = Space([Parameter(name=n, distribution="uniform", options={"low": 0, "high": 1}) for n in ("x", "y")])
LAYOUT = MomentLayout(d=2, second_order=True)


class Corner:
    """h - g for the step h = c·1[x + y > 1] - c/2, whose moments are known."""

    def __init__(self, size):
        self.size = size

    def predict(self, points, trend):
        step = (points.sum(axis=1) > 0).astype(float) - 0.5  # standard coordinates
        return self.size * step - trend


def setting(n_base=64, ratio=0.1, **options):
    design = PickFreezeDesign(inputs=Inputs(space=SPACE), n_base=n_base, second_order=True, **options)
    x = design.rows(0, design.n_rows).theta
    values = np.column_stack([x[:, 0] ** 3, x[:, 0] * x[:, 1], np.cos(x[:, 1])])
    values -= values.mean(axis=0)
    bases = input_bases(design.inputs, None, 0)
    fit = cross_fit(design, values, bases, candidate_sets(bases, ChaosOptions(degree=2), 500), 4)
    points = ResidualPoints(inputs=design.inputs, bases=bases, with_features=False)
    residual = ResidualFit(
        kind="trees", models=tuple(Corner(1.0 + k) for k in range(4)), left_out=np.zeros(design.n_rows), ratio=ratio
    )
    return design, fit, {1: residual}, points


def exact(fit, groups):
    """E T[h] - E T[g] of each group, with E T[h] of the step by hand (K, groups)."""
    matrix = component_matrix(group_support(fit.indices, [(0,), (1,)]), LAYOUT)
    of_step = np.zeros(LAYOUT.n_columns)
    of_step[1] = 1 / 4
    of_step[LAYOUT.first] = 1 / 12
    of_step[LAYOUT.total] = 1 / 6
    of_step[LAYOUT.pair_total] = of_step[LAYOUT.pair_closed] = 1 / 4
    folds = [of_step * (1 + k) ** 2 - chaos_columns(c[:, 1:2], matrix)[:, 0] for k, c in enumerate(fit.folds)]
    return np.stack([folds[g % 4] for g in range(groups)], axis=-1)


@pytest.mark.parametrize("options", [{}, {"method": "lhs", "replicates": 8}, {"method": "random"}, {"replicates": 1}])
def test_every_group_estimates_the_expectation_of_its_own_surrogate(options):
    design, fit, residuals, points = setting(2048, **options)
    found = residual_expectations(design, fit, residuals, points, LAYOUT)
    groups = design.grouping.n_groups
    assert found.shape == (LAYOUT.n_columns, 3, groups)
    assert not found[:, [0, 2]].any()
    error = (found[:, 1] - exact(fit, groups)) / (1 + np.arange(groups) % 4) ** 2
    assert (np.abs(error.mean(axis=1)) < 6 * error.std(axis=1, ddof=1) / np.sqrt(groups)).all()
    assert np.abs(error.mean(axis=1)).max() < 0.01


def test_groups_are_independent_of_each_other_and_of_the_design():
    n = 60
    found = np.empty((n, 16))
    own = np.empty((n, 16))
    for seed in range(n):
        design, fit, residuals, points = setting(32, seed=seed)
        found[seed] = (residual_expectations(design, fit, residuals, points, LAYOUT)[:, 1] - exact(fit, 16))[0]
        corner = design.rows(0, design.n_rows).theta.sum(axis=1) > 1
        own[seed] = corner.reshape(2, 16, 6)[..., :2].mean(axis=(0, 2))
    correlation = np.corrcoef(np.hstack([found, own]).T)[:16]
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(n)
    assert np.abs(correlation.mean()) < 0.03


def test_more_blocks_are_drawn_where_less_is_left():
    of = [
        fresh_blocks(ResidualFit(kind=kind, models=(), left_out=np.zeros(0), ratio=ratio))
        for kind in ("trees", "gp")
        for ratio in (0.0, 0.05, 0.2, 0.35, 0.8, 1.3)
    ]
    assert of == [16, 16, 8, 4, 4, 4, 8, 8, 8, 4, 4, 4]


def test_same_seed_gives_the_same_bits_and_another_other_points():
    one, two, other = (residual_expectations(*setting(64, seed=seed), LAYOUT) for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
