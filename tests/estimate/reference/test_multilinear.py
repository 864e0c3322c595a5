import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import bratley, linear_gaussian, morris, polynomial, weld_polynomial
from shiftgauge.estimate.reference.multilinear import multilinear_components
from shiftgauge.space import Space


def bratley_terms(d):
    return {tuple([1] * i + [0] * (d - i)): (-1.0) ** i for i in range(1, d + 1)}


@pytest.mark.parametrize("d", [1, 2, 4])
def test_bratley_equals_the_same_polynomial(d):
    reference = bratley(d)
    other = polynomial(reference.space, bratley_terms(d))
    x = np.random.default_rng(0).random((50, d))
    assert np.allclose(reference.function(x), other.function(x))
    assert reference.mean == pytest.approx(-(1 - (-0.5) ** d) / 3)
    assert other.mean == pytest.approx(reference.mean)
    assert set(reference.components) <= set(other.components)
    for u, value in other.components.items():
        assert reference.components.get(u, 0.0) == pytest.approx(value, abs=1e-12)


def test_bratley_variance_equals_quadrature():
    x, w = np.polynomial.legendre.leggauss(4)
    grid = np.stack(np.meshgrid(*[(x + 1) / 2] * 4, indexing="ij"), -1).reshape(-1, 4)
    weight = np.prod(np.stack(np.meshgrid(*[w / 2] * 4, indexing="ij"), -1).reshape(-1, 4), axis=1)
    f = bratley(4).function(grid)
    assert weight @ (f - weight @ f) ** 2 == pytest.approx(bratley(4).variance, rel=1e-12)


def test_bratley_refuses_too_many_inputs():
    with pytest.raises(ConfigError, match="at most 16"):
        bratley(17)


def test_morris_equals_the_sums_as_printed():
    x = np.random.default_rng(1).random((20, 20))
    w = 2 * (x - 0.5)
    for i in (3, 5, 7):
        w[:, i - 1] = 2 * (1.1 * x[:, i - 1] / (x[:, i - 1] + 0.1) - 0.5)
    expected = np.zeros(20)
    for i in range(1, 21):
        expected += (20 if i <= 10 else (-1) ** i) * w[:, i - 1]
        for j in range(i + 1, 21):
            expected += (-15 if j <= 6 else (-1) ** (i + j)) * w[:, i - 1] * w[:, j - 1]
            for k in range(j + 1, 6):
                expected -= 10 * w[:, i - 1] * w[:, j - 1] * w[:, k - 1]
    expected += 5 * w[:, 0] * w[:, 1] * w[:, 2] * w[:, 3]
    assert np.allclose(morris().function(x), expected)


def test_morris_moments_equal_quadrature():
    reference = morris()
    x, weight = np.polynomial.legendre.leggauss(60)
    w = 2 * (1.1 * (x + 1) / 2 / ((x + 1) / 2 + 0.1) - 0.5)
    mean = weight @ w / 2
    alone = (2, 18)  # an input whose scale is bent, with one that is not: only their product holds both
    assert reference.components[alone] == pytest.approx((weight @ (w - mean) ** 2 / 2) / 3, rel=1e-9)
    design = PickFreezeDesign(inputs=Inputs(space=reference.space), n_base=2048)
    y = reference.function(design.rows(0, design.n_rows).theta)
    found = pick_freeze(design, y, outputs=["y"], confidence_level=0.999)
    for name in ("first_order", "total_order"):
        low, high = np.moveaxis(getattr(found, f"{name}_interval")[0], 1, 0)
        assert ((low <= getattr(reference, name)) & (getattr(reference, name) <= high)).all()
    assert found.mean_interval[0, 0] <= reference.mean <= found.mean_interval[0, 1]
    assert found.variance[0] == pytest.approx(reference.variance, rel=0.05)


def test_components_of_a_product_multiply():
    mean, parts = multilinear_components({(0, 1, 2): 2.0}, [1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    assert mean == 12
    second = 4 * np.prod([1.1, 4.2, 9.3]) - 144
    assert sum(parts.values()) == pytest.approx(second)


@pytest.mark.parametrize("reference", [bratley(5), morris(), weld_polynomial()], ids=lambda r: r.name)
def test_shapley_effects_sum_to_one_and_lie_between_first_and_total(reference):
    assert reference.shapley.sum() == pytest.approx(1)
    assert (reference.first_order <= reference.shapley + 1e-12).all()
    assert (reference.shapley <= reference.total_order + 1e-12).all()


def test_polynomial_reproduces_closed_forms_on_other_marginals():
    linear = linear_gaussian((1.0, 2.0))
    same = polynomial(linear.space, {(1, 0): 1.0, (0, 1): 2.0})
    assert np.allclose(same.first_order, linear.first_order)
    space = Space.from_dict(
        {
            "e": {"distribution": "exponential", "scale": 2.0},
            "c": {"values": [0, 1, 5], "probabilities": [0.2, 0.3, 0.5]},
        }
    )
    found = polynomial(space, {(2, 0): 1.0, (1, 1): 3.0, (0, 2): 1.0})
    rng = np.random.default_rng(3)
    x = np.column_stack([rng.exponential(2.0, 400_000), rng.choice([0, 1, 5], 400_000, p=[0.2, 0.3, 0.5])])
    y = found.function(x)
    assert found.mean == pytest.approx(y.mean(), rel=0.02)
    assert found.variance == pytest.approx(y.var(), rel=0.1)
    by_level = np.array([y[x[:, 1] == v].mean() for v in (0, 1, 5)])
    spread = np.array([0.2, 0.3, 0.5]) @ (by_level - found.mean) ** 2 / found.variance
    assert found.first_order[1] == pytest.approx(spread, abs=0.02)


def test_polynomial_refuses_what_it_cannot_serve():
    space = Space.from_dict({"a": {"low": 0, "high": 1}, "b": {"value": 2}})
    with pytest.raises(ConfigError, match="all vary"):
        polynomial(space, {(1, 0): 1.0})
    with pytest.raises(ConfigError, match="2 whole numbers"):
        polynomial(linear_gaussian((1.0, 2.0)).space, {(1,): 1.0})
