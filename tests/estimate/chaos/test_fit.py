import numpy as np
import pytest

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import legendre
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.index_set import tensor, total_degree
from shiftgauge.estimate.chaos.vandermonde import vandermonde

BASES = (legendre(-1, 1),) * 3


def sample(n, q, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 3))
    y = np.sin(3 * x[:, :1]) + x[:, 1:2] * x[:, 2:] + 0.1 * rng.normal(size=(n, q)) + 100
    return x, y


@pytest.mark.parametrize(("indices", "n"), [(total_degree(3, 4), 150), (tensor([5, 5, 5]), 3000)])
@pytest.mark.parametrize("q", [1, 40])
def test_coefficients_equal_plain_least_squares(indices, n, q):
    x, y = sample(n, q)
    fit = fit_terms(BASES, indices, x, y)
    plain = np.linalg.lstsq(vandermonde(BASES, indices, x).T, y, rcond=None)[0]
    assert np.allclose(fit.coefficients, plain, atol=1e-9)
    assert np.allclose(fit.variance, y.var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("q", [1, 20])
def test_leave_one_out_error_equals_fitting_without_each_point(q):
    x, y = sample(60, q)
    indices = total_degree(3, 2)
    phi = vandermonde(BASES, indices, x).T
    left = np.empty_like(y)
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        left[i] = y[i] - phi[i] @ np.linalg.lstsq(phi[keep], y[keep], rcond=None)[0]
    assert np.allclose(fit_terms(BASES, indices, x, y).leave_one_out, (left**2).mean(axis=0), rtol=1e-5)


def test_leave_one_out_error_with_the_product_rule_equals_the_plain_one():
    x, y = sample(4000, 2)
    indices = tensor([5, 5, 5])
    phi = vandermonde(BASES, indices, x)
    hat = np.einsum("pn,pn->n", phi, np.linalg.solve(phi @ phi.T, phi))
    residual = y - phi.T @ np.linalg.lstsq(phi.T, y, rcond=None)[0]
    fit = fit_terms(BASES, indices, x, y)
    assert np.allclose(fit.leverages, hat, atol=1e-10)
    assert np.allclose(fit.leave_one_out, ((residual / (1 - hat)[:, None]) ** 2).mean(axis=0), rtol=1e-9)


def test_many_outputs_equal_one_at_a_time():
    x, y = sample(200, 30)
    indices = total_degree(3, 3)
    together = fit_terms(BASES, indices, x, y)
    for q in (0, 29):
        alone = fit_terms(BASES, indices, x, y[:, q : q + 1])
        assert np.allclose(together.coefficients[:, q], alone.coefficients[:, 0])
        assert together.leave_one_out[q] == pytest.approx(alone.leave_one_out[0], rel=1e-5)


def test_exact_functions_have_no_error_even_among_many_outputs():
    x, _ = sample(200, 1)
    y = np.tile(x[:, :1] ** 2, (1, 20))
    fit = fit_terms(BASES, total_degree(3, 3), x, y)
    assert (fit.leave_one_out < 1e-25 * fit.variance).all()


def test_corrected_error_is_larger_and_fades_with_more_points():
    ratio = []
    for n in (60, 6000):
        fit = fit_terms(BASES, total_degree(3, 3), *sample(n, 1))
        ratio.append(float(fit.corrected[0] / fit.leave_one_out[0]))
    assert ratio[0] > ratio[1] > 1


def test_ill_conditioned_points_are_solved_by_qr():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(0.9, 1.0, 400), rng.uniform(-1, 1, (400, 2))])
    indices = tensor([5, 0, 0])
    coefficients = rng.normal(size=(6, 1))
    phi = vandermonde(BASES, indices, x).T
    fit = fit_terms(BASES, indices, x, phi @ coefficients)
    assert np.allclose(fit.coefficients, coefficients, rtol=1e-5)
    assert np.allclose(fit.leverages, (np.linalg.qr(phi)[0] ** 2).sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("n", [10, 20])
def test_too_few_points_are_refused(n):
    with pytest.raises(NumericalError, match=f"more than 20 points, got {n}"):
        fit_terms(BASES, total_degree(3, 3), *sample(n, 1))


def test_points_that_do_not_determine_the_terms_are_refused():
    x = np.repeat(np.random.default_rng(0).uniform(-1, 1, (5, 3)), 20, axis=0)
    with pytest.raises(NumericalError, match="determine only"):
        fit_terms(BASES, total_degree(3, 3), x, x[:, :1])


def test_constant_output_has_no_q2_and_raises_no_warning():
    x, y = sample(100, 1)
    assert np.isnan(fit_terms(BASES, total_degree(3, 2), x, np.full_like(y, 3.0)).q2).all()
