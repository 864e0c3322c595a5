import numpy as np
import pytest
from scipy.integrate import quad

from shiftgauge.errors import DataError, NumericalError
from shiftgauge.estimate.chaos.basis import (
    bases_from_arrays,
    bases_to_arrays,
    input_bases,
    parameter_basis,
    table_basis,
)
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

MARGINALS = {
    "uniform": {"low": -90, "high": 90},
    "loguniform": {"low": 0.1, "high": 10},
    "normal": {"mean": 3, "std": 2},
    "truncnormal": {"mean": 0, "std": 1, "low": -0.5, "high": 2},
    "lognormal": {"median": 2, "sigma": 0.3},
    "beta": {"a": 2, "b": 3.5, "low": -1, "high": 4},
    "triangular": {"low": 0, "mode": 1, "high": 4},
    "gamma": {"shape": 2.5, "scale": 0.7, "low": 1},
    "exponential": {"scale": 2},
}


def parameter(kind, options):
    return Parameter(name="x", distribution=kind, options=options)


@pytest.mark.parametrize("kind", MARGINALS)
def test_functions_are_orthonormal_under_the_distribution(kind):
    p = parameter(kind, MARGINALS[kind])
    basis = parameter_basis(p)
    low, high = p.support
    kinks = [v for v in (p.options.get("mode"),) if v is not None]
    for i, j in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (0, 3), (3, 3), (2, 4), (4, 4)]:

        def product(x, i=i, j=j):
            values = basis.evaluate(np.array([x]), 4)[:, 0]
            return values[i] * values[j] * p.frozen.pdf(x)

        found = quad(product, low, high, points=kinks or None, epsabs=1e-10, limit=400)[0]
        assert found == pytest.approx(float(i == j), abs=2e-5)


@pytest.mark.parametrize("kind", MARGINALS)
def test_high_degrees_stay_orthonormal_under_gauss_quadrature(kind):
    basis = parameter_basis(parameter(kind, MARGINALS[kind]))
    x, weights = basis.quadrature(20)
    values = basis.evaluate(x, 19)
    assert np.allclose((values * weights) @ values.T, np.eye(20), atol=1e-9)


def test_arcsine_law_gives_chebyshev_polynomials():
    basis = parameter_basis(parameter("beta", {"a": 0.5, "b": 0.5, "low": -1, "high": 1}))
    angle = np.linspace(0.1, 3, 7)
    expected = np.sqrt(2) * np.cos(np.outer(np.arange(1, 6), angle))
    assert np.allclose(basis.evaluate(np.cos(angle), 5)[1:], expected)


def test_beta_1_1_is_legendre():
    x = np.linspace(-1, 4, 9)
    beta = parameter_basis(parameter("beta", {"a": 1, "b": 1, "low": -1, "high": 4}))
    uniform = parameter_basis(parameter("uniform", {"low": -1, "high": 4}))
    assert np.allclose(beta.evaluate(x, 8), uniform.evaluate(x, 8))


def test_a_choice_has_as_many_functions_as_values():
    p = parameter("choice", {"values": [5, 1, 2], "probabilities": [0.5, 0.3, 0.2]})
    basis = parameter_basis(p)
    assert basis.n_functions == 3
    values, weights = p.levels
    table = basis.evaluate(values, 2)
    assert np.allclose((table * weights) @ table.T, np.eye(3))


def test_two_values_are_enough():
    basis = parameter_basis(parameter("choice", {"values": [0, 1]}))
    assert np.allclose(basis.evaluate(np.array([0.0, 1.0]), 1), [[1, 1], [-1, 1]])


def test_tables_are_orthonormal_and_drop_what_repeats():
    raw = np.random.default_rng(0).normal(size=(50, 3))
    features = np.column_stack([raw, raw[:, 0] + 2 * raw[:, 1], np.full(50, 7.0), 1e6 * raw[:, 2]])
    table = table_basis(features, 50, most=10).table
    assert table.shape == (50, 4)
    assert np.allclose(table.T @ table / 50, np.eye(4))


def test_tables_keep_at_most_the_leading_components():
    assert table_basis(np.eye(20), 20, most=6).table.shape == (20, 7)
    assert table_basis(np.ones((20, 2)), 20, most=6).table.shape == (20, 1)
    assert table_basis(None, 20, most=6).table.shape == (20, 1)


def test_bad_features_are_refused():
    with pytest.raises(DataError, match="each of 4 images"):
        table_basis(np.ones((3, 2)), 4, most=2)
    with pytest.raises(NumericalError, match="NaN"):
        table_basis(np.array([[1.0], [np.nan]]), 2, most=2)


def test_bases_survive_a_round_trip_through_arrays():
    space = Space([Parameter(name=k, distribution=k, options=o) for k, o in MARGINALS.items()])
    inputs = Inputs(space=space, n_images=5, repeat=True)
    bases = input_bases(inputs, np.eye(5), 5)
    again = bases_from_arrays(bases_to_arrays(bases), len(bases))
    points = inputs.coordinates(np.random.default_rng(1).random((6, inputs.n_inputs)))
    for i, (one, two) in enumerate(zip(bases, again, strict=True)):
        degree = min(4, one.n_functions - 1)
        assert np.array_equal(one.evaluate(points[:, i], degree), two.evaluate(points[:, i], degree))
