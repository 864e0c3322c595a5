import itertools

import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.reference import DependentLinear

COVARIANCE = np.array([[1.0, 0.5, -0.2], [0.5, 2.0, 0.3], [-0.2, 0.3, 0.5]])


def test_two_inputs_follow_the_published_formula():
    # Iooss and Prieur (2019): V Sh_1 = w1² s1² (1 - r²/2) + r w1 s1 w2 s2 + w2² s2² r²/2
    for r in (-0.6, 0.0, 0.9):
        w, s = np.array([1.0, 2.0]), np.array([1.5, 0.5])
        a, b = w * s
        found = DependentLinear(weights=w, covariance=[[s[0] ** 2, r * s[0] * s[1]], [r * s[0] * s[1], s[1] ** 2]])
        v = a**2 + b**2 + 2 * r * a * b
        expected = [a**2 * (1 - r**2 / 2) + r * a * b + b**2 * r**2 / 2]
        expected.append(b**2 * (1 - r**2 / 2) + r * a * b + a**2 * r**2 / 2)
        assert found.shapley == pytest.approx(np.array(expected) / v)
        assert found.variance == pytest.approx(v)


def test_shapley_is_the_mean_over_all_orders():
    found = DependentLinear(weights=(1.0, -1.0, 2.0), covariance=COVARIANCE)
    expected = np.zeros(3)
    for order in itertools.permutations(range(3)):
        for k, i in enumerate(order):
            expected[i] += (found.closed(order[: k + 1]) - found.closed(order[:k])) / 6
    assert found.shapley == pytest.approx(expected)
    assert found.shapley.sum() == pytest.approx(1)


def test_closed_indices_give_first_and_total():
    found = DependentLinear(weights=(1.0, -1.0, 2.0), covariance=COVARIANCE)
    for i in range(3):
        rest = [j for j in range(3) if j != i]
        assert found.first_order[i] == pytest.approx(found.closed([i]))
        assert found.total_order[i] == pytest.approx(1 - found.closed(rest))


def test_space_has_the_covariance():
    found = DependentLinear(weights=(1.0, -1.0, 2.0), covariance=COVARIANCE)
    x = found.space.to_physical(np.random.default_rng(0).random((200_000, 3)))
    assert np.cov(x.T) == pytest.approx(COVARIANCE, abs=0.02)
    assert found.function(x).var() == pytest.approx(found.variance, rel=0.02)


def test_independent_inputs_have_equal_indices():
    found = DependentLinear(weights=(1.0, 2.0), covariance=np.eye(2))
    assert found.first_order == pytest.approx([0.2, 0.8])
    assert found.total_order == pytest.approx([0.2, 0.8])
    assert found.shapley == pytest.approx([0.2, 0.8])


@pytest.mark.parametrize("matrix", [np.eye(3), [[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.1], [0.3, 1.0]]])
def test_no_covariance_is_refused(matrix):
    with pytest.raises(ConfigError, match="`covariance`"):
        DependentLinear(weights=(1.0, 2.0), covariance=matrix)
