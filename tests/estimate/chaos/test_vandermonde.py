import numpy as np
import pytest

from shiftgauge.estimate.chaos.basis import hermite, jacobi, laguerre, legendre, table_basis
from shiftgauge.estimate.chaos.index_set import tensor, total_degree
from shiftgauge.estimate.chaos.vandermonde import ProductRule, vandermonde

BASES = (legendre(-2, 3), hermite(1, 2), laguerre(2.5, 1, 0), jacobi(2, 3, 0, 1))


def points(n=300):
    rng = np.random.default_rng(3)
    return np.column_stack([rng.uniform(-2, 3, n), rng.normal(1, 2, n), rng.gamma(2.5, 1, n), rng.beta(2, 3, n)])


def test_terms_are_products_of_their_factors():
    x, indices = points(20), total_degree(4, 3)
    found = vandermonde(BASES, indices, x)
    for row, alpha in zip(found, indices, strict=True):
        factors = [b.evaluate(x[:, i], int(k))[k] for i, (b, k) in enumerate(zip(BASES, alpha, strict=True))]
        assert np.allclose(row, np.prod(factors, axis=0))


@pytest.mark.parametrize("indices", [tensor([3, 2, 2, 3]), total_degree(4, 4)[::-1], total_degree(4, 5, q_norm=0.5)])
def test_product_rule_equals_the_plain_products(indices):
    x = points()
    phi = vandermonde(BASES, indices, x)
    rule = ProductRule(BASES, indices)
    gram, parts = rule.gram_and_parts(x)
    assert np.allclose(gram, phi @ phi.T, rtol=1e-9, atol=1e-9 * len(x))
    inverse = np.linalg.inv(phi @ phi.T)
    plain = np.einsum("pn,pq,qn->n", phi, inverse, phi, optimize=True)
    assert np.allclose(rule.leverages(inverse, parts), plain, rtol=1e-6, atol=1e-8)


def test_product_rule_works_for_one_input():
    x, indices = points()[:, :1], total_degree(1, 7)
    rule = ProductRule(BASES[:1], indices)
    gram, _ = rule.gram_and_parts(x)
    phi = vandermonde(BASES[:1], indices, x)
    assert np.allclose(gram, phi @ phi.T)


def test_product_rule_is_left_aside_where_products_leave_the_family():
    bases = (legendre(0, 1), table_basis(np.eye(4), 4, 3))
    assert not ProductRule.pays(bases, tensor([6, 3]), 100_000)
