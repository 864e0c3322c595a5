import tracemalloc

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.reference import linear_gaussian
from shiftgauge.estimate.screening import screen, screen_then_estimate
from shiftgauge.space import Space


def many(d=300, strong=4):
    """A function of many uniform inputs with exact indices: products of some, small ripples of the others."""
    space = Space.from_dict({f"x{i}": {"low": -1, "high": 1} for i in range(d)})
    small = np.full(d - strong, 0.01)

    def function(x):
        return x[:, 0] + 2 * x[:, 1] * x[:, 2] + x[:, 3] ** 2 + x[:, strong:] @ small

    def gradient(x):
        head = np.column_stack([np.ones(len(x)), 2 * x[:, 2], 2 * x[:, 1], 2 * x[:, 3]])
        return function(x), np.hstack([head, np.broadcast_to(small, (len(x), d - strong))])

    parts = {"x0": 1 / 3, "pair": 4 / 9, "x3": 4 / 45, "rest": (d - strong) * 1e-4 / 3}
    variance = sum(parts.values())
    return space, function, gradient, {k: v / variance for k, v in parts.items()}


def test_strong_inputs_stay_open_and_the_rest_is_one_group():
    space, function, gradient, share = many()
    found = screen_then_estimate(function, gradient, space, outputs=["y"], n_base=1024, confidence_level=0.999)
    assert set(found.screening.open_inputs) == {"x0", "x1", "x2", "x3"}
    assert found.indices.names == ("x0", "x1", "x2", "x3", "negligible")
    exact = np.array([share["x0"], share["pair"], share["pair"], share["x3"], share["rest"]])
    low, high = np.moveaxis(found.indices.total_order_interval[0], 1, 0)
    assert ((low <= exact) & (exact <= high)).all()
    assert share["rest"] <= found.screening.limit[0] <= found.screening.threshold
    assert found.n_evaluations == 1024 + 1024 * 7


def test_members_of_the_group_have_at_most_the_threshold_together():
    space, _, gradient, share = many()
    bounds = derivative_bounds(gradient, space, outputs=["y"])
    member = 1e-4 / 3 / (1e-4 / 3 * 296) * share["rest"]
    for threshold in (0.0, 0.002, 0.01, 0.2):
        split = screen(bounds, threshold)
        exact = len([n for n in split.negligible if int(n[1:]) >= 4]) * member
        exact += share["x3"] * ("x3" in split.negligible)
        assert exact <= threshold
        assert split.limit[0] <= threshold
        assert sorted([*split.open_inputs, *split.negligible]) == sorted(bounds.names)
    assert screen(bounds, 0.0).groups is None
    assert "x3" in screen(bounds, 0.5).negligible


def test_every_output_must_allow_it():
    def gradient(x):
        values = np.column_stack([x[:, 0] + 0.01 * x[:, 1], x[:, 1] + 0.01 * x[:, 2], np.ones(len(x))])
        slopes = np.array([[1, 0.01, 0], [0, 1, 0.01], [0, 0, 0]])
        return values, np.broadcast_to(slopes, (len(x), 3, 3))

    split = screen(derivative_bounds(gradient, linear_gaussian().space, outputs=["a", "b", "flat"]))
    assert split.negligible == ("x3",)
    assert set(split.open_inputs) == {"x1", "x2"}
    assert split.groups == {"negligible": ("x3",)}


def test_inputs_without_a_bound_stay_open():
    space = Space.from_dict({"a": {"low": 0, "high": 1}, "b": {"low": 0, "high": 1}, "k": {"values": [0, 1]}})

    def function(x):
        return x[:, 0] + 1e-4 * x[:, 1] + 1e-4 * x[:, 2]

    found = screen_then_estimate(
        function,
        lambda x: (function(x), np.broadcast_to([1, 1e-4, 0], x.shape)),
        space,
        outputs=["y"],
        n_gradients=64,
        n_base=64,
    )
    assert set(found.screening.open_inputs) == {"a", "k"}
    assert "no_derivative" in [s.code for s in found.status]


def test_wrong_arguments_are_refused():
    space, function, gradient, _ = many(20)
    with pytest.raises(ConfigError, match="`threshold`"):
        screen_then_estimate(function, gradient, space, outputs=["y"], threshold=1.5, n_gradients=64)
    with pytest.raises(DataError, match="must return"):
        screen_then_estimate(lambda x: x, gradient, space, outputs=["y"], n_gradients=64, n_base=16)


def test_many_open_inputs_need_no_memory_for_pairs():
    d = 1_200
    space = Space.from_dict({f"x{i}": {"low": -1, "high": 1} for i in range(d)})
    weights = np.ones(d)
    tracemalloc.start()
    found = screen_then_estimate(
        lambda x: x @ weights,
        lambda x: (x @ weights, np.broadcast_to(weights, x.shape)),
        space,
        outputs=["y"],
        threshold=0.0,
        n_gradients=32,
        n_base=16,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.indices.names) == d
    assert found.indices.total_interaction is None
    assert peak < 200e6  # the d (d - 1) / 2 pairs alone would be 1.5 GB


def test_a_jump_that_derivatives_do_not_see_is_an_error_in_bounds_and_in_the_check():
    space = Space.from_dict({name: {"low": 0, "high": 1} for name in "abc"})

    def jump(x):
        return (x[:, 0] > 0.5) + 0.01 * x[:, 1]

    def gradient(x):
        return jump(x), np.broadcast_to([0.0, 0.01, 0.0], x.shape)

    found = screen_then_estimate(jump, gradient, space, outputs=["y"], n_gradients=256, n_base=256)
    assert found.indices.total_order[0, 0] > 0.99
    assert [s.code for s in found.status if s.level == "error"] == ["not_smooth", "screening_refuted"]
    assert "sum to" in found.bounds.status[0].message


def test_a_wrong_gradient_is_found_only_where_it_is_too_small():
    reference = linear_gaussian((1.0, 2.0, 3.0))
    weights = np.array([1.0, 2.0, 3.0])
    for factor, codes in ((0.5, ["not_smooth"]), (1.0, []), (2.0, [])):
        for seed in range(30):
            bounds = derivative_bounds(
                lambda x, k=factor: (x @ weights, np.broadcast_to(k * weights, x.shape)),
                reference.space,
                outputs=["y"],
                n=256,
                method="random",
                seed=seed,
            )
            assert [s.code for s in bounds.status] == codes
