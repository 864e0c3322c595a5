import numpy as np
import pytest

from shiftgauge.errors import ConfigError, SpaceError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.conditional import KucherenkoDesign, PermutationDesign
from shiftgauge.estimate.derivative import derivative_bounds
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.kucherenko import kucherenko
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.shapley import shapley_effects
from shiftgauge.infer import space_from_table
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space


def uniform(name, low=0.0, high=1.0):
    return Parameter(name=name, distribution="uniform", options={"low": low, "high": high})


def fixed(name, value=2.0):
    return Parameter(name=name, distribution="fixed", options={"value": value})


def model(x):
    return x[:, 1] * (x[:, 0] + x[:, 2] ** 2) + x[:, 3]


SPACE = Space([uniform("a"), fixed("zoom"), uniform("b"), fixed("tilt", 5)])


@pytest.mark.parametrize("estimator", ["pick_freeze", "assisted", "gpc"])
def test_fixed_parameters_are_filled_in_and_named(estimator):
    inputs = Inputs(space=SPACE)
    design = PlainDesign(inputs=inputs, n=256) if estimator == "gpc" else PickFreezeDesign(inputs=inputs, n_base=256)
    y = model(design.rows(0, design.n_rows).theta)[:, None]
    found = analyse(design, y, outputs=["y"], estimator=estimator, resamples=20)
    assert found.names == ("a", "b")
    (status,) = [s for s in found.status if s.code == "fixed_inputs"]
    assert (status.level, status.message) == ("info", "not varied, so their indices are exactly 0: `zoom`, `tilt`")
    assert found.first_order[0] == pytest.approx([(1 / 12) / (1 / 12 + 4 / 45), (4 / 45) / (1 / 12 + 4 / 45)], abs=0.05)


def test_equal_limits_say_what_to_write_and_a_constant_column_is_taken_as_fixed():
    with pytest.raises(SpaceError, match="write distribution: fixed, value: 3"):
        uniform("x", 3, 3)
    space = space_from_table({"varies": np.arange(5.0), "same": np.full(5, 3.0)})
    assert space.varying_names == ("varies",)
    assert space["same"].is_fixed


def test_a_fixed_member_has_no_part_in_its_group():
    groups = {"g": ["a", "zoom"], "nothing": ["tilt"]}
    design = PickFreezeDesign(inputs=Inputs(space=SPACE), n_base=64, groups=groups)
    assert design.names == ("g", "b")
    with pytest.raises(ConfigError, match="unknown input `aa`"):
        PickFreezeDesign(inputs=Inputs(space=SPACE), n_base=64, groups={"g": ["aa"]})


@pytest.mark.parametrize("width", [1e-100, 1e-12, 1e12])
def test_ranges_of_any_width_give_finite_indices(width):
    design = PickFreezeDesign(inputs=Inputs(space=Space([uniform("a", 0, width), uniform("b")])), n_base=64)
    x = design.rows(0, design.n_rows).theta
    found = pick_freeze(design, x[:, 0] / width + x[:, 1], outputs=["y"])
    assert found.first_order[0] == pytest.approx([0.5, 0.5], abs=0.15)
    narrow = pick_freeze(design, 1e-9 * x[:, 0] / width + x[:, 1], outputs=["y"])
    assert narrow.total_order[0, 0] == pytest.approx(0, abs=1e-12)


def test_a_range_of_no_spread_at_all_has_index_zero():
    design = PickFreezeDesign(inputs=Inputs(space=Space([uniform("a", 1, 1 + 1e-15), uniform("b")])), n_base=64)
    x = design.rows(0, design.n_rows).theta.astype(np.float32).astype(float)
    found = pick_freeze(design, x[:, 0] + x[:, 1], outputs=["y"])
    assert found.total_order[0, 0] == 0
    assert np.isfinite(found.first_order_interval).all()


def test_negative_estimates_are_kept_and_their_interval_holds_zero():
    options = {"inputs": Inputs(space=Space([uniform(n) for n in "abcdef"])), "n_base": 32, "second_order": True}
    kept = []
    for seed in range(8):
        design = PickFreezeDesign(**options, seed=seed)
        x = design.rows(0, design.n_rows).theta
        found = pick_freeze(design, np.prod(1 + x, axis=1) + 3 * x[:, 0], outputs=["y"], confidence_level=0.999)
        below = found.second_order < 0
        kept.append(below.any())
        assert (found.second_order_interval[below][:, 1] > 0).mean() > 0.9
    assert any(kept)


@pytest.mark.parametrize("n_base", [2, 3, 50, 100])
def test_any_number_of_blocks_is_accepted_and_no_power_of_two_warned_of(n_base):
    design = PickFreezeDesign(inputs=Inputs(space=SPACE), n_base=n_base)
    found = pick_freeze(design, model(design.rows(0, design.n_rows).theta), outputs=["y"])
    assert ("unbalanced_design" in [s.code for s in found.status]) == (n_base & (n_base - 1) != 0)
    assert np.isfinite(found.total_order).all()


def test_every_sobol_design_of_no_power_of_two_is_warned_of():
    inputs = Inputs(space=SPACE)

    def warned(found):
        return [s.message for s in found.status if s.code == "unbalanced_design"]

    def values(design):
        return model(design.rows(0, design.n_rows).theta)

    for n, method, expected in ((96, "sobol", True), (128, "sobol", False), (96, "random", False)):
        plain = PlainDesign(inputs=inputs, n=n, method=method)
        tied = KucherenkoDesign(inputs=inputs, n_base=n, method=method)
        order = PermutationDesign(inputs=inputs, n_base=n, method=method)
        found = [
            warned(gpc(plain, values(plain), outputs=["y"], resamples=0)),
            warned(kucherenko(tied, values(tied), outputs=["y"])),
            warned(shapley_effects(order, values(order), outputs=["y"])),
            warned(derivative_bounds(lambda x: (model(x), np.ones(x.shape)), SPACE, outputs=["y"], n=n, method=method)),
        ]
        assert [bool(messages) for messages in found] == [expected] * 4
        if expected:
            assert [m[0][:25] for m in found] == [
                "the design has 96 points,",
                "the design has 96 blocks,",
                "the design has 96 blocks,",
                "the design has 96 gradien",
            ]
