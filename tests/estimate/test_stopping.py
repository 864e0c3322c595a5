from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.curve import CurvePoint
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.moments import CARRIERS
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI, linear_gaussian
from shiftgauge.estimate.stopping import DOUBLINGS, FEWEST_BLOCKS, Stopping, grow, look_back


def study(reference=ISHIGAMI, transform=lambda y: y, outputs=("y",), **options):
    """Indices of the first n blocks, as a callable, that notes the sizes it was asked for."""
    asked = []

    def measure(n):
        asked.append(n)
        design = PickFreezeDesign(inputs=Inputs(space=reference.space), n_base=n, **options)
        values = transform(reference.function(design.rows(0, design.n_rows).theta)[:, None])
        return pick_freeze(design, values, outputs=outputs)

    return measure, asked


def test_growth_stops_at_the_first_size_whose_intervals_are_narrow():
    measure, asked = study()
    found = grow(measure, Stopping(tolerance=0.1), start=64, cost_of_base=5)
    assert found.reason == "tolerance"
    sizes = list(asked)
    assert sizes == [64 << k for k in range(len(sizes))]
    widest = [CurvePoint.of(measure(n)).largest for n in sizes]
    assert [w <= 0.1 for w in widest] == [False] * (len(widest) - 1) + [True]
    assert [p.largest for p in found.curve] == widest
    assert found.indices.n_base == found.curve[-1].n_base
    assert found.text.startswith("The tolerance of ±0.1 was reached after")


@given(start=st.integers(2, 9), cost=st.integers(1, 7), extra=st.integers(0, 400))
def test_growth_spends_all_it_may_and_never_more_than_the_budget(start, cost, extra):
    budget = start * cost + extra
    base = study()[0](32)
    found = grow(
        lambda n: replace(base, n_base=n, n_evaluations=n * cost),
        Stopping(budget=budget),
        start=start,
        cost_of_base=cost,
    )
    assert found.curve[-1].evaluations <= budget < 2 * found.curve[-1].evaluations
    assert found.reason == "budget"
    assert found.budget == budget


def test_a_tolerance_without_a_budget_ends_after_six_doublings():
    measure, asked = study()
    found = grow(measure, Stopping(tolerance=0.001), start=4, cost_of_base=5)
    assert len(asked) == DOUBLINGS + 1
    assert found.reason == "budget"
    assert "more than the tolerance of ±0.001" in found.text


def test_narrow_intervals_of_few_blocks_are_not_believed():
    measure, asked = study(linear_gaussian((1.0,)))
    found = grow(measure, Stopping(tolerance=0.9), start=16, cost_of_base=3)
    assert found.curve[0].largest <= 0.9
    assert found.indices.n_base == FEWEST_BLOCKS
    assert asked == [16, 32, 64, 128]


def test_narrow_intervals_of_a_rare_event_are_not_believed():
    """Two or three events that all resamples agree on look sure; the growth goes on until 32 carry the variance."""
    measure, _ = study(linear_gaussian((1.0, 1.0)), lambda y: (y > 3.6).astype(float), seed=3)
    found = grow(measure, Stopping(tolerance=0.5), start=64, cost_of_base=4)
    assert found.curve[-1].carriers[0] >= CARRIERS
    assert any(p.half_width[0] <= 0.5 and p.carriers[0] < CARRIERS for p in found.curve[:-1])


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_the_carriers_of_an_indicator_are_about_its_rare_cases(share):
    n = 4096
    measure, _ = study(transform=lambda y: (y > np.quantile(y, 1 - share)).astype(float))
    found = CurvePoint.of(measure(n))
    kurtosis = (1 - 3 * share + 3 * share**2) / (share * (1 - share))
    assert found.carriers[0] == pytest.approx(2 * n / kurtosis, rel=0.15)


def test_an_output_that_never_changed_neither_stops_nor_holds_up():
    def both(y):
        return np.hstack([y, np.ones_like(y)])

    measure, _ = study(transform=both, outputs=("y", "still"))
    found = grow(measure, Stopping(tolerance=0.2), start=64, cost_of_base=5)
    assert found.reason == "tolerance"
    assert np.isnan(found.curve[-1].half_width[1])
    alone = grow(measure, Stopping(tolerance=0.2, budget=1000), start=64, cost_of_base=5, deciding=["still"])
    assert alone.reason == "budget"
    assert alone.text.startswith("`still` never changed measurably in 640 evaluations")


def test_growth_ends_where_nothing_that_decides_ever_changed():
    measure, asked = study(transform=np.ones_like)
    found = grow(measure, Stopping(tolerance=0.2), start=64, cost_of_base=5)
    assert found.reason == "constant"
    assert asked == [64, 128, 256]  # 1,280 evaluations
    assert found.text == "`y` never changed measurably in 1,280 evaluations, so there are no indices to wait for."
    assert grow(measure, Stopping(budget=5000), start=64, cost_of_base=5).reason == "budget"  # what was asked for


def test_only_the_deciding_outputs_are_waited_for():
    def both(y):
        return np.hstack([y, np.where(np.abs(y) > 12, y**3, y)])

    measure, _ = study(transform=both, outputs=("y", "wild"))
    one = grow(measure, Stopping(tolerance=0.1, budget=20_000), start=64, cost_of_base=5, deciding=["y"])
    all_of_them = grow(measure, Stopping(tolerance=0.1, budget=20_000), start=64, cost_of_base=5)
    assert one.indices.n_base <= all_of_them.indices.n_base
    assert one.deciding == ("y",)
    assert one.curve[-1].half_width[0] <= 0.1


def test_looking_back_shows_what_smaller_designs_would_have_given():
    measure, _ = study(seed=5)
    found = look_back(measure, 512, points=4)
    assert [p.n_base for p in found.curve] == [64, 128, 256, 512]
    assert found.reason == "fixed"
    for point in found.curve:
        assert np.array_equal(point.total_order, measure(point.n_base).total_order)
    assert [p.n_base for p in look_back(measure, 512, nested=False).curve] == [512]
    assert [p.n_base for p in look_back(measure, 40).curve] == [40]


def test_looking_back_leaves_out_parts_too_small_for_the_estimator():
    measure, _ = study()

    def picky(n):
        if n < 200:
            raise NumericalError("too few points")
        return measure(n)

    assert [p.n_base for p in look_back(picky, 512).curve] == [256, 512]


@pytest.mark.parametrize("value", [0, 1, -0.1, 2, float("nan"), "0.1", True])
def test_a_tolerance_outside_its_range_is_refused(value):
    with pytest.raises(ConfigError, match="tolerance"):
        Stopping(tolerance=value)


@pytest.mark.parametrize("value", [0, -5, 1.5])
def test_a_budget_that_is_no_count_is_refused(value):
    with pytest.raises(ConfigError, match="budget"):
        Stopping(budget=value)


def test_a_budget_below_the_first_round_is_refused_before_anything_is_evaluated():
    measure, asked = study()
    with pytest.raises(ConfigError, match="at least 320 evaluations, those of the first round, got 100"):
        grow(measure, Stopping(tolerance=0.1, budget=100), start=64, cost_of_base=5)
    assert asked == []
