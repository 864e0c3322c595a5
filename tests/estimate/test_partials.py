"""Derivative statistics against closed forms."""

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.local import linear_relative_sensitivity, relative_sensitivity
from shiftgauge.estimate.partials import central_differences, partial_statistics


def cubic(x):
    return np.column_stack([x[:, 0] ** 2 * x[:, 1], np.sin(x[:, 2]) + x[:, 0]])


def test_differences_agree_with_the_closed_form():
    x = np.random.default_rng(0).normal(size=(40, 3))
    first, second = central_differences(cubic, x, np.ones(3))
    zero = np.zeros(len(x))
    wanted = np.stack(
        [
            np.column_stack([2 * x[:, 0] * x[:, 1], x[:, 0] ** 2, zero]),
            np.column_stack([zero + 1, zero, np.cos(x[:, 2])]),
        ],
        axis=1,
    )
    assert np.allclose(first, wanted, atol=1e-4)
    assert np.allclose(second[:, 0, 0, 1], 2 * x[:, 0], atol=1e-3)
    assert np.allclose(second[:, 1, 2, 2], -np.sin(x[:, 2]), atol=1e-3)
    assert np.allclose(second, np.swapaxes(second, 2, 3))


def test_an_input_without_scale_has_derivatives_of_zero():
    first, second = central_differences(cubic, np.ones((2, 3)), np.array([0.0, 1.0, 1.0]))
    assert not first[..., 0].any()
    assert not second[..., 0, :].any()


def test_second_derivatives_can_be_left_out():
    first, second = central_differences(cubic, np.ones((2, 3)), np.ones(3), second=False)
    assert second.shape == (0, 2, 3, 3)
    assert np.isnan(partial_statistics(first, second, way="central differences").second_mean).all()


def test_mean_square_is_squared_mean_plus_variance():
    g = np.random.default_rng(1).normal(size=(50, 2, 3))
    found = partial_statistics(g, np.zeros((50, 2, 3, 3)), way="autograd")
    assert np.allclose(found.mean_square, found.mean**2 + found.std**2)


def test_no_rows_is_an_error():
    with pytest.raises(DataError, match="at least one row"):
        partial_statistics(np.empty((0, 1, 2)), np.empty((0, 1, 2, 2)), way="autograd")


def test_the_relative_sensitivity_of_a_linear_layer_has_a_closed_form():
    rng = np.random.default_rng(2)
    w, x = rng.normal(size=(5, 4)), rng.normal(size=(30, 4))
    measured = relative_sensitivity(lambda rows: rows @ w.T + 3, x)
    assert np.allclose(measured, linear_relative_sensitivity(w, x), rtol=1e-9)


def test_the_relative_sensitivity_depends_on_the_unit_s_zero_but_not_on_its_size():
    x = np.array([[280.0], [300.0]])
    kelvin, scaled = (relative_sensitivity(lambda rows, k=k: k * rows, x / k) for k in (1.0, 10.0))
    celsius = relative_sensitivity(lambda rows: rows + 273.15, x - 273.15)
    assert np.allclose(kelvin, scaled)
    assert celsius[0] < 0.1 * kelvin[0]


def test_a_relative_step_of_zero_is_an_error():
    with pytest.raises(ConfigError, match="relative_step"):
        relative_sensitivity(lambda rows: rows, np.ones((2, 1)), relative_step=0)
