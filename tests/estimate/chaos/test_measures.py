from itertools import combinations
from math import comb, pi

import numpy as np
import pytest

from shiftgauge.errors import DataError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.basis import parameter_basis
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.chaos.measures import basis_derivatives, chaos_measures
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI, linear_gaussian, sobol_g
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space


def measured(space, function, n, noise=0.0, seed=0, residual="misfit", **options):
    design = PlainDesign(inputs=Inputs(space=space), n=n, method="random", seed=seed)
    y = function(design.rows(0, n).theta) + noise * np.random.default_rng(seed).normal(size=n)
    found = gpc(design, y[:, None], outputs=["y"], residual=residual, **{"resamples": 100, **options})
    return found, chaos_measures(design, y[:, None], found, residual=residual)


def marginal(name, distribution, **options):
    return Parameter(name=name, distribution=distribution, options=options)


def shapley_by_permutations(index, d):
    """Slow plain version: average gain of the closed index when an input joins, over all sets it may join."""
    closed = lambda u: sum(v for s, v in index.items() if set(s) <= set(u))  # noqa: E731
    out = np.zeros(d)
    for i in range(d):
        rest = [j for j in range(d) if j != i]
        for size in range(d):
            for u in combinations(rest, size):
                out[i] += (closed((*u, i)) - closed(u)) / (d * comb(d - 1, size))
    return out


def test_subsets_and_shapley_effects_of_ishigami_equal_the_closed_form():
    _, found = measured(ISHIGAMI.space, ISHIGAMI.function, 400)
    exact = {tuple(ISHIGAMI.space.names[i] for i in u): v / ISHIGAMI.variance for u, v in ISHIGAMI.components.items()}
    share = dict(zip(found.subsets, found.subset_index[0], strict=True))
    for subset, value in share.items():
        assert value == pytest.approx(exact.get(subset, 0.0), abs=1e-6)
    closed_form = shapley_by_permutations({k: v / ISHIGAMI.variance for k, v in ISHIGAMI.components.items()}, 3)
    assert np.allclose(found.shapley[0], closed_form, atol=1e-6)
    assert found.shapley[0].sum() == pytest.approx(1)


def test_means_of_derivatives_of_ishigami_equal_the_closed_form():
    _, found = measured(ISHIGAMI.space, ISHIGAMI.function, 600)
    b = 0.1
    square = [0.5 * (1 + 2 * b * pi**4 / 5 + b**2 * pi**8 / 9), 49 / 2, 0.5 * 16 * b**2 * pi**6 / 7]
    assert np.allclose(found.derivative_square[0], square, rtol=1e-5)
    assert np.allclose(found.derivative_mean[0], 0, atol=1e-5)


@pytest.mark.parametrize(
    ("parameter", "mean", "square"),
    [
        # f = x²: E f' = 2 E x, E f'² = 4 E x²
        (marginal("x", "uniform", low=1, high=5), 6.0, 4 * 31 / 3),
        (marginal("x", "normal", mean=2, std=3), 4.0, 52.0),
        (marginal("x", "exponential", scale=2), 4.0, 32.0),
        (marginal("x", "beta", a=2, b=2, low=0, high=1), 1.0, 1.2),
    ],
)
def test_derivatives_are_in_physical_units_under_any_marginal(parameter, mean, square):
    _, found = measured(Space([parameter]), lambda x: x[:, 0] ** 2, 60)
    assert found.derivative_mean[0, 0] == pytest.approx(mean, rel=1e-6)
    assert found.derivative_square[0, 0] == pytest.approx(square, rel=1e-6)


def test_derivatives_along_a_logarithmic_input_equal_the_closed_form():
    space = Space([marginal("x", "loguniform", low=1, high=3), marginal("z", "lognormal", median=1, sigma=0.2)])
    _, found = measured(space, lambda x: np.log(x[:, 0]) * np.log(x[:, 1]) + np.log(x[:, 1]), 80)
    ell = np.log(3)
    inverse_square = (1 - 1 / 9) / (2 * ell)  # E[1/x²]
    assert found.derivative_square[0, 0] == pytest.approx(0.04 * inverse_square, rel=1e-6)
    # ∂f/∂z = (1 + ln x)/z, and E[1/z] = exp(σ²/2)
    assert found.derivative_mean[0, 1] == pytest.approx((1 + ell / 2) * np.exp(0.02), rel=1e-6)


def test_basis_derivatives_equal_differences():
    for kind, options in (("uniform", {"low": 0, "high": 2}), ("loguniform", {"low": 0.5, "high": 2})):
        basis = parameter_basis(marginal("x", kind, **options))
        x, h = np.array([0.6, 1.1, 1.9]), 1e-6
        difference = (basis.evaluate(x + h, 6) - basis.evaluate(x - h, 6)) / (2 * h)
        assert np.allclose(basis_derivatives(basis, x, 6), difference, rtol=1e-6, atol=1e-6)


def test_inputs_that_take_only_some_values_have_no_derivative():
    space = Space([marginal("n", "choice", values=[1, 2, 3]), marginal("x", "uniform", low=0, high=1)])
    _, found = measured(space, lambda x: x[:, 0] * x[:, 1], 100)
    assert np.isnan(found.derivative_square[0, 0])
    assert found.derivative_square[0, 1] == pytest.approx(14 / 3)


def test_intervals_come_from_the_same_resamples_as_those_of_the_indices():
    """The subset of one input alone is its first-order index, and so are the ends of its interval."""
    found, more = measured(sobol_g((0.0, 1.0, 4.5)).space, sobol_g((0.0, 1.0, 4.5)).function, 200, resamples=300)
    for i, name in enumerate(found.names):
        position = more.subsets.index((name,))
        assert more.subset_index[0, position] == pytest.approx(found.first_order[0, i])
        assert np.allclose(more.subset_index_interval[0, position], found.first_order_interval[0, i])


def test_intervals_cover_the_truth_under_noise():
    reference, hits = linear_gaussian(), []
    for seed in range(60):
        _, more = measured(
            reference.space, reference.function, 150, 1.0, seed, "noise", chaos=ChaosOptions(degree=2), resamples=200
        )
        interval = np.concatenate(
            [more.shapley_interval[0], more.derivative_mean_interval[0], more.derivative_square_interval[0]]
        )
        truth = np.concatenate([reference.first_order, [1, 2, 3], [1, 4, 9]])
        hits.append((interval[:, 0] <= truth) & (truth <= interval[:, 1]))
    assert 0.91 <= np.mean(hits) <= 0.99


def test_shapley_effects_of_several_outputs_equal_those_of_each_alone():
    design = PlainDesign(inputs=Inputs(space=ISHIGAMI.space), n=150)
    y = ISHIGAMI.function(design.rows(0, 150).theta)
    both = np.column_stack([y, np.full(150, 2.0), design.rows(0, 150).theta[:, 0]])
    found = gpc(design, both, outputs=["a", "flat", "b"], resamples=20)
    more = chaos_measures(design, both, found)
    alone = chaos_measures(design, both[:, 2:], gpc(design, both[:, 2:], outputs=["b"], resamples=20))
    assert np.allclose(more.shapley[2], alone.shapley[0])
    assert np.isnan(more.shapley[1]).all()


def test_results_of_other_estimators_are_refused():
    design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=32)
    y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)[:, None]
    with pytest.raises(DataError, match="must be a result of `gpc`, got one of `pick_freeze`"):
        chaos_measures(design, y, analyse(design, y, outputs=["y"], estimator="pick_freeze", resamples=0))
