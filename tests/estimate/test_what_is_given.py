"""What people give instead of what is asked for: taken where it is plain, else told in one line."""

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError, SpaceError
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.conditional import KucherenkoDesign, PermutationDesign
from shiftgauge.estimate.convergence import sensitivity
from shiftgauge.estimate.dependence import hsic
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.morris import elementary_effects
from shiftgauge.estimate.rank import rank_indices
from shiftgauge.estimate.screening import screen_then_estimate
from shiftgauge.estimate.trajectories import MorrisDesign
from shiftgauge.space import Space

PLAIN = {"a": {"low": 0, "high": 1}, "b": (0, 2), "c": 3}
SPACE = Space.from_dict(PLAIN)
WEIGHTS = np.array([1.0, 1.0, 0.0])


def test_a_pair_is_uniform_and_a_number_fixed():
    assert SPACE.varying_names == ("a", "b")
    assert SPACE["b"].describe() == "uniform on [0, 2]"
    assert SPACE["c"].is_fixed
    assert Space.from_dict({"b": [0, 2]})["b"] == SPACE["b"]
    for wrong in ([1, 2, 3], "low", True, None):
        with pytest.raises(SpaceError, match=r"`b`: expected options such as .*, \[low, high\] or a number"):
            Space.from_dict({"b": wrong})
    found = sensitivity(lambda x: x @ WEIGHTS, PLAIN, n_base=64)
    assert found.indices.total_order[0] == pytest.approx([0.2, 0.8])


@pytest.mark.parametrize("given", [Inputs(space=SPACE), SPACE, PLAIN], ids=["inputs", "space", "mapping"])
def test_every_design_takes_inputs_a_space_or_its_plain_form(given):
    designs = [
        KucherenkoDesign(inputs=given, n_base=32),
        PermutationDesign(inputs=given, n_base=32),
        PickFreezeDesign(inputs=given, n_base=8),
        PlainDesign(inputs=given, n=8),
        MorrisDesign(inputs=given, n_trajectories=4),
    ]
    assert all(design.inputs.space.to_dict() == SPACE.to_dict() for design in designs)


def test_what_is_no_space_is_named():
    for wrong, named in ((np.zeros((2, 2)), "ndarray"), (lambda x: x, "the function `<lambda>`"), ("a", "str")):
        for use in (lambda g: Inputs(space=g), lambda g: sensitivity(np.sum, g), lambda g: PlainDesign(inputs=g, n=8)):
            with pytest.raises(SpaceError, match=f"a space must be a Space or a mapping .* got {named}"):
                use(wrong)


def test_correlation_may_be_given_by_names():
    entry = {"parameters": {"a": [0, 1], "k": 3, "b": [0, 1]}, "correlation": {"a": {"b": 0.5}}}
    space = Space.from_dict(entry)
    assert space.correlation is not None
    assert space.correlation.tolist() == [[1, 0.5], [0.5, 1]]
    for wrong in ({"a": {"k": 0.5}}, {"a": 0.5}, "strong", [["x"]]):
        with pytest.raises(SpaceError, match="`correlation`"):
            Space.from_dict({**entry, "correlation": wrong})


def test_correlated_inputs_are_an_error_that_names_what_to_use():
    space = Space.from_dict({"parameters": {"a": [0, 1], "b": [0, 1]}, "correlation": [[1, 0.8], [0.8, 1]]})
    design = MorrisDesign(inputs=Inputs(space=space), n_trajectories=10)
    found = [sensitivity(lambda x: x.sum(axis=1), space, estimator=e, n_base=64).indices for e in ("assisted", "gpc")]
    found.append(elementary_effects(design, design.rows(0, design.n_rows).theta.sum(axis=1), outputs=["y"]))
    for one in found:
        (status,) = [s for s in one.status if s.code == "correlated_inputs"]
        assert status.level == "error"
        assert "`kucherenko` or `shapley_effects`" in status.message


def test_bounds_take_a_plain_space_and_name_a_missing_part_of_the_gradient():
    def gradient(x):
        return x @ WEIGHTS, np.broadcast_to(WEIGHTS, x.shape)

    found = derivative_bounds(gradient, PLAIN, outputs=["y"], n=64)
    np.testing.assert_array_equal(found.bound, derivative_bounds(gradient, SPACE, outputs=["y"], n=64).bound)
    screened = screen_then_estimate(lambda x: x @ WEIGHTS, gradient, PLAIN, outputs=["y"], n_gradients=64, n_base=32)
    assert set(screened.screening.open_inputs) == {"a", "b"}
    with pytest.raises(DataError, match=r"two things, values and derivatives; got an array of shape \(\d+, 3\)"):
        derivative_bounds(lambda x: gradient(x)[1], SPACE, outputs=["y"], n=64)


def test_labels_may_be_text():
    rng = np.random.default_rng(0)
    code, x = rng.integers(3, size=200), rng.random(200)
    words = np.array(["steel", "brass", "zinc"])[code]
    mixed = np.array([[w, v] for w, v in zip(words, x, strict=True)], object)
    numbers = np.column_stack([np.array([1, 0, 2])[code], x])
    y, options = code + x, {"names": ["metal", "x"], "categorical": ["metal"]}
    expected = rank_indices(numbers, y, outputs=["y"], **options).first_order
    np.testing.assert_allclose(rank_indices(mixed, y, outputs=["y"], **options).first_order, expected)
    np.testing.assert_allclose(rank_indices(mixed.astype(str), y, outputs=["y"], **options).first_order, expected)
    label = {"outputs": ["class"], "categorical_outputs": ["class"], "permutations": 20, **options}
    np.testing.assert_allclose(hsic(mixed, words, **label).hsic, hsic(numbers, numbers[:, 0], **label).hsic)
    with pytest.raises(DataError, match="real numbers"):
        rank_indices(mixed, y, names=["metal", "x"], outputs=["y"])


def test_conditional_means_go_by_name_or_position():
    design = PlainDesign(inputs=Inputs(space=SPACE), n=64)
    y = (design.rows(0, 64).theta @ WEIGHTS)[:, None]
    model = gpc(design, y, outputs=["y"], resamples=0).surrogate.model
    at = np.array([[0.0], [1.0]])
    np.testing.assert_allclose(model.conditional_mean(["b"], at)[:, 0], [0.5, 1.5])
    np.testing.assert_array_equal(model.conditional_mean([1], at), model.conditional_mean(["b"], at))
    with pytest.raises(ConfigError, match="`d`"):
        model.conditional_mean(["d"], at)
    with pytest.raises(ConfigError, match="positions below 2"):
        model.conditional_mean([2], at)
    with pytest.raises(DataError, match="one column for each"):
        model.conditional_mean(["b"], at[:, 0])
