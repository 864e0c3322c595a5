import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError, NumericalError, ShiftgaugeError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.convergence import sensitivity
from shiftgauge.estimate.dependence import hsic
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.partials import central_differences
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.points import Points
from shiftgauge.estimate.rank import rank_indices
from shiftgauge.estimate.reference import ISHIGAMI, sobol_g
from shiftgauge.estimate.streaming import LinearFirst, stream_pick_freeze
from shiftgauge.estimate.values import LARGEST, number_array

INPUTS = Inputs(space=ISHIGAMI.space)
SPACE = {"a": {"low": 0, "high": 1}, "b": {"low": 0, "high": 1}}
X = np.random.default_rng(0).random((200, 2))
Y = X @ [2.0, 1.0]


def blocks(n_base=64):
    return PickFreezeDesign(inputs=INPUTS, n_base=n_base)


def values(design, scale=1.0):
    return scale * ISHIGAMI.function(design.rows(0, design.n_rows).theta)


def refused(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("estimator", ["pick_freeze", "assisted", "gpc"])
@pytest.mark.parametrize("scale", [1e155, 1e300, 2e70])
def test_values_whose_powers_overflow_are_refused(estimator, scale):
    design = PlainDesign(inputs=INPUTS, n=128) if estimator == "gpc" else blocks()
    refused(
        lambda: analyse(design, values(design, scale), outputs=["y"], estimator=estimator),
        NumericalError,
        "`y` reaches .* divide it",
    )


@pytest.mark.parametrize("estimator", ["pick_freeze", "assisted", "gpc"])
@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_units_change_no_index_and_no_interval(estimator, scale):
    design = PlainDesign(inputs=INPUTS, n=128) if estimator == "gpc" else blocks()
    plain, scaled = (
        analyse(design, values(design, s), outputs=["y"], estimator=estimator, resamples=50) for s in (1.0, scale)
    )
    assert scaled.defined.all()
    for name in ("first_order", "total_order", "first_order_interval", "total_order_interval"):
        assert np.allclose(getattr(plain, name), getattr(scaled, name), rtol=1e-6, atol=1e-9)


def test_values_too_small_to_be_squared_are_said_to_be_that_and_not_constant():
    design = blocks()
    found = pick_freeze(design, values(design, 1e-200), outputs=["y"])
    assert not found.defined[0]
    assert "multiply it by a constant" in found.status[0].message
    still = pick_freeze(design, np.full(design.n_rows, 1e-3), outputs=["y"])
    assert "was 0.001 everywhere" in still.status[0].message


def test_streams_samples_and_derivatives_refuse_them_too():
    design = blocks()
    refused(lambda: stream_pick_freeze(lambda x: 1e155 * x[:, 0], design, outputs=["y"]), NumericalError, "`y` reaches")
    for estimate in (rank_indices, hsic):
        refused(lambda e=estimate: e(X, 1e155 * Y, names=["a", "b"], outputs=["y"]), NumericalError, "`y` reaches")
    refused(
        lambda: derivative_bounds(lambda x: (x[:, 0], 1e155 * x), ISHIGAMI.space, outputs=["y"], n=64),
        NumericalError,
        "`derivatives of y` reaches",
    )


def test_the_largest_magnitude_allowed_is_estimated_without_overflow():
    design = blocks(128)
    y = values(design)
    found = analyse(design, y * (LARGEST / np.abs(y).max() * 0.999), outputs=["y"], estimator="assisted")
    assert np.isfinite(found.total_order_interval).all()


@pytest.mark.parametrize("bad", [["a", "b"], np.array(["1.0", "2.0"]), [1j, 2.0], [[1.0], [1.0, 2.0]]])
def test_only_real_numbers_are_taken(bad):
    refused(lambda: number_array(bad, "`values`"), DataError, "`values` must be real numbers")


@pytest.mark.parametrize("good", [[1, 2], [True, False], np.float32([1, 2]), np.array([1, 2.5], object)])
def test_numbers_of_any_kind_become_float64(good):
    assert number_array(good, "values").dtype == np.float64
    assert np.array_equal(number_array(good, "values"), np.asarray(good, float))


def test_text_and_complex_numbers_are_refused_everywhere():
    words = np.array([["x", "y"]] * 20)
    for estimate in (rank_indices, hsic):
        refused(
            lambda e=estimate: e(words, np.arange(20.0), names=["a", "b"], outputs=["y"]), DataError, "real numbers"
        )
        refused(lambda e=estimate: e(X, Y + 1j, names=["a", "b"], outputs=["y"]), DataError, "complex128")
    design = blocks()
    refused(lambda: pick_freeze(design, values(design) + 1j, outputs=["y"]), DataError, "complex128")
    for function in (lambda x: np.array(["u"] * len(x)), lambda x: x[:, 0] + 1j):
        refused(lambda f=function: stream_pick_freeze(f, design, outputs=["y"]), DataError, "real numbers")
        refused(lambda f=function: sensitivity(f, SPACE, n_base=64), DataError, "real numbers")


def test_names_are_needed_and_differ():
    design = blocks()
    y = np.column_stack([values(design)] * 2)
    for call in (
        lambda: pick_freeze(design, y, outputs=["y", "y"]),
        lambda: stream_pick_freeze(lambda x: x[:, :2], design, outputs=["y", "y"]),
        lambda: sensitivity(lambda x: x, SPACE, n_base=64, outputs=["y", "y"]),
        lambda: rank_indices(X, Y, names=["y", "y"], outputs=["z"]),
        lambda: hsic(X, Y, names=["y", "y"], outputs=["z"]),
        lambda: hsic(X, X, names=["a", "b"], outputs=["y", "y"]),
    ):
        refused(call, ConfigError, "names `y` twice")
    for call in (
        lambda: pick_freeze(design, np.empty((design.n_rows, 0)), outputs=[]),
        lambda: stream_pick_freeze(lambda x: x[:, :0], design, outputs=[]),
        lambda: hsic(np.empty((20, 0)), np.arange(20.0), names=[], outputs=["y"]),
        lambda: rank_indices(np.empty((20, 0)), np.arange(20.0), names=[], outputs=["y"]),
    ):
        refused(call, ConfigError, "at least one name")
    refused(lambda: pick_freeze(design, y, outputs="ab"), ConfigError, "list of names")


def test_a_failing_function_is_named_with_its_rows_and_the_cause_is_chained():
    def fifth(x):
        return x[:, 5]

    def call():
        sensitivity(fifth, SPACE, n_base=64, chunk=100)

    error = refused(call, DataError, "function `fifth` failed on rows 0 to 99 of the design with IndexError: ")
    assert isinstance(error.__cause__, IndexError)
    late = LinearFirst(weight=np.ones((1, 3)), bias=np.zeros(1), rest=lambda z: {}["gone"])
    refused(lambda: stream_pick_freeze(late, blocks(), outputs=["y"]), DataError, "KeyError")
    refused(lambda: stream_pick_freeze(fifth, blocks(), outputs=["y"]), DataError, "rows 0 to 1 of blocks 0 to 63")

    def own(x):
        raise NumericalError("said by the function itself")

    refused(lambda: sensitivity(own, SPACE, n_base=64), NumericalError, "itself")


def test_central_differences_take_a_single_output_as_a_vector():
    first, second = central_differences(lambda x: x[:, 0] ** 2 * x[:, 1], np.array([[1.0, 2.0]]), np.ones(2))
    assert first == pytest.approx(np.array([[[4.0, 1.0]]]))
    assert second == pytest.approx(np.array([[[[4.0, 2.0], [2.0, 0.0]]]]))
    refused(lambda: central_differences(lambda x: 1.0, np.ones((3, 2)), np.ones(2)), DataError, "one row of outputs")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=64, groups={"g": []}), "group `g` must be a list"),
        (lambda: PickFreezeDesign(inputs=INPUTS, n_base=64, groups={"g": "x1"}), "group `g` must be a list"),
        (lambda: pick_freeze(blocks(), values(blocks()), outputs=["y"], seed=-1), "`seed`"),
        (lambda: hsic(X, Y, names=["a", "b"], outputs=["y"], permutations=0, seed=-1), "`seed`"),
        (lambda: sobol_g((-1.0,)), "above -1"),
        (lambda: sobol_g(()), "above -1"),
        (lambda: ChaosOptions(degree=70), "`degree` must be at most 60, got 70"),
        (lambda: ChaosOptions(terms="tensor", degree=[2, 70]), "`degree` must be at most 60, got 70"),
        (lambda: Points(2**30 + 1, 2, "sobol", 0, 1), "at most 2\\^30 points"),
    ],
)
def test_what_was_silently_misread_is_refused(call, words):
    refused(call, ShiftgaugeError, words)


def test_the_longest_sobol_sequences_can_be_had():
    Points(2**30, 2, "sobol", 0, 1)
    Points(2**34, 2, "sobol", 0, 16)
