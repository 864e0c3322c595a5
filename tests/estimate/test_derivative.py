import tracemalloc
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.reference import ISHIGAMI, linear_gaussian, morris, polynomial, sobol_g
from shiftgauge.space import Space


def ishigami_gradient(x):
    return ISHIGAMI.function(x), np.column_stack(
        [
            np.cos(x[:, 0]) * (1 + 0.1 * x[:, 2] ** 4),
            7 * np.sin(2 * x[:, 1]),
            0.4 * x[:, 2] ** 3 * np.sin(x[:, 0]),
        ]
    )


def by_differences(function):
    def gradient(x):
        out = np.empty(x.shape)
        for i in range(x.shape[1]):
            step = np.zeros(x.shape[1])
            step[i] = 1e-6
            out[:, i] = (function(x + step) - function(x - step)) / 2e-6
        return function(x), out

    return gradient


# E over the cube of the squared derivatives, by hand
ISHIGAMI_NU = np.array([0.5 * (1 + 2 * 0.1 * pi**4 / 5 + 0.01 * pi**8 / 9), 49 / 2, 0.5 * 0.16 * pi**6 / 7])


def test_measures_equal_their_exact_values():
    found = derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y"], n=1 << 14)
    assert found.gradient_square[0] == pytest.approx(ISHIGAMI_NU, rel=2e-3)
    assert found.constant == pytest.approx([4.0] * 3)
    assert found.poincare_bound[0] == pytest.approx(4 * ISHIGAMI_NU / ISHIGAMI.variance, rel=2e-3)
    assert found.variance[0] == pytest.approx(ISHIGAMI.variance, rel=1e-2)
    assert found.mean[0] == pytest.approx(3.5, abs=0.02)


@pytest.mark.parametrize(
    "reference",
    [
        ISHIGAMI,
        morris(),
        linear_gaussian(),
        sobol_g((0.0, 1.0, 4.5, 9.0)),
        polynomial(
            Space.from_dict(
                {
                    "e": {"distribution": "exponential", "scale": 2.0},
                    "g": {"distribution": "gamma", "shape": 3.0, "scale": 0.5},
                    "t": {"distribution": "triangular", "low": 0, "mode": 0.2, "high": 1},
                    "b": {"distribution": "beta", "a": 2, "b": 0.7},
                    "n": {"distribution": "truncnormal", "mean": 0, "std": 1, "low": -1, "high": 0.5},
                }
            ),
            {(1, 0, 1, 0, 0): 1.0, (0, 1, 0, 2, 0): 2.0, (1, 0, 0, 1, 2): 0.5, (0, 2, 0, 0, 0): 0.3},
        ),
    ],
    ids=lambda r: r.name,
)
def test_bounds_lie_above_the_exact_total_indices(reference):
    found = derivative_bounds(by_differences(reference.function), reference.space, outputs=["y"], n=1 << 12)
    assert (found.limit[0] >= reference.total_order).all()
    assert (found.bound[0] >= 0.97 * reference.total_order).all()


def test_stein_bound_equals_the_index_of_a_linear_function():
    space = Space.from_dict(
        {
            "u": {"low": -1, "high": 3},
            "l": {"distribution": "lognormal", "median": 1, "sigma": 0.4},
            "e": {"distribution": "exponential", "scale": 1.0},
        }
    )
    weights = np.array([1.0, 2.0, -1.0])
    exact = np.array([p.variance for p in space.parameters]) * weights**2
    found = derivative_bounds(lambda x: (x @ weights, np.tile(weights, (len(x), 1))), space, outputs=["y"], n=1 << 14)
    assert found.stein_bound[0] == pytest.approx(exact / exact.sum(), rel=0.02)
    assert np.isinf(found.poincare_bound[0, 1])
    assert np.isfinite(found.bound).all()
    assert (found.poincare_bound[0] >= found.stein_bound[0]).all()


def test_intervals_cover_the_exact_bound_as_often_as_they_say():
    truth, hits = 4 * ISHIGAMI_NU / ISHIGAMI.variance, []
    for method in ("sobol", "random"):
        for seed in range(150):
            found = derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y"], n=512, seed=seed, method=method)
            low, high = np.moveaxis(found.poincare_bound_interval[0], 1, 0)
            hits.append((low <= truth) & (truth <= high))
    assert 0.92 <= np.mean(hits) <= 0.98


def test_vector_outputs_equal_one_at_a_time():
    def gradient(x):
        f, g = ishigami_gradient(x)
        return np.column_stack([f, 2 - 3 * f]), np.stack([g, -3 * g], axis=1)

    both = derivative_bounds(gradient, ISHIGAMI.space, outputs=["a", "b"], n=256)
    one = derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["a"], n=256)
    assert np.allclose(both.bound[0], one.bound[0])
    assert np.allclose(both.bound[1], both.bound[0])
    assert np.allclose(both.gradient_mean[1], -3 * both.gradient_mean[0])


@settings(deadline=None, max_examples=15)
@given(scale=st.floats(0.01, 100), shift=st.floats(-1e4, 1e4), seed=st.integers(0, 5))
def test_bounds_do_not_change_with_the_units_of_the_output(scale, shift, seed):
    def gradient(x):
        f, g = ishigami_gradient(x)
        return shift + scale * f, scale * g

    found = derivative_bounds(gradient, ISHIGAMI.space, outputs=["y"], n=64, seed=seed)
    plain = derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y"], n=64, seed=seed)
    assert np.allclose(found.bound, plain.bound, rtol=1e-6)


def test_memory_does_not_grow_with_the_number_of_gradients():
    d = 400
    space = Space.from_dict({f"x{i}": {"low": 0, "high": 1} for i in range(d)})
    weights = np.linspace(0, 1, d)

    def gradient(x):
        return x @ weights, np.broadcast_to(weights, x.shape)

    def peak(n):
        tracemalloc.start()
        derivative_bounds(gradient, space, outputs=["y"], n=n, method="random")
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    peak(64)
    assert peak(16_384) < 1.3 * peak(4096)


def test_chunks_change_nothing(monkeypatch):
    whole = derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y"], n=1000)
    monkeypatch.setattr("shiftgauge.estimate.resampling._WORK", 24 * 64)
    pieces = derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y"], n=1000)
    assert np.allclose(whole.bound, pieces.bound, rtol=1e-12)
    assert np.allclose(whole.poincare_bound_interval, pieces.poincare_bound_interval, rtol=1e-9)


def test_discrete_inputs_stay_unbounded_and_are_named():
    space = Space.from_dict({"a": {"low": 0, "high": 1}, "k": {"values": [0, 1]}, "c": {"value": 7.0}})
    found = derivative_bounds(
        lambda x: (x[:, 0] * x[:, 2] + x[:, 1], np.column_stack([x[:, 2], np.full(len(x), np.nan), x[:, 0]])),
        space,
        outputs=["y"],
        n=512,
    )
    assert found.names == ("a", "k")
    assert np.isinf(found.bound[0, 1])
    assert np.isinf(found.limit[0, 1])
    assert np.isnan(found.gradient_square[0, 1])
    assert found.stein_bound[0, 0] == pytest.approx((49 / 12) / (49 / 12 + 0.25), rel=0.05)
    assert [s.code for s in found.status] == ["no_derivative"]


def test_constant_output_and_steps_are_said():
    def gradient(x):
        values = np.column_stack([np.full(len(x), 2.0), x[:, 0] > 0])
        return values, np.zeros((len(x), 2, 3))

    found = derivative_bounds(gradient, ISHIGAMI.space, outputs=["flat", "hard"], n=64)
    assert found.defined.tolist() == [False, True]
    assert np.isnan(found.bound[0]).all()
    assert [s.code for s in found.status] == ["constant_output", "not_smooth"]


def test_what_cannot_be_bounded_is_refused():
    tied = Space(ISHIGAMI.space.parameters, np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]))
    with pytest.raises(ConfigError, match="independent inputs"):
        derivative_bounds(ishigami_gradient, tied, outputs=["y"])
    with pytest.raises(ConfigError, match="`n` must be a whole number ≥ 32"):
        derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y"], n=8)
    with pytest.raises(DataError, match=r"gradients of shape \(\d+, 1, 3\)"):
        derivative_bounds(lambda x: (x[:, 0], x[:, :2]), ISHIGAMI.space, outputs=["y"])
    with pytest.raises(DataError, match="2 named"):
        derivative_bounds(ishigami_gradient, ISHIGAMI.space, outputs=["y", "z"])
    with pytest.raises(NumericalError, match="NaN or infinite"):
        derivative_bounds(lambda x: (x[:, 0] * np.nan, x), ISHIGAMI.space, outputs=["y"])
