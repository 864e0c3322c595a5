import numpy as np
import pytest

from shiftgauge.errors import DataError, NumericalError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI, bratley, linear_gaussian, rough_ishigami, sobol_g, weld_polynomial
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

UPPER = np.triu_indices(3, 1)


def sample(reference, n_base=1024, **options):
    options = {"second_order": True, "seed": 0, **options}
    design = PickFreezeDesign(inputs=Inputs(space=reference.space), n_base=n_base, **options)
    return design, reference.function(design.rows(0, design.n_rows).theta)[:, None]


@pytest.mark.parametrize(
    "reference", [ISHIGAMI, rough_ishigami(), sobol_g((0.0, 1.0, 4.5)), weld_polynomial(), linear_gaussian()]
)
@pytest.mark.parametrize("second_order", [True, False])
def test_intervals_hold_the_exact_indices(reference, second_order):
    design, y = sample(reference, 4096, second_order=second_order)
    found = pick_freeze(design, y, outputs=["y"], confidence_level=0.999)
    for name in ("first_order", "total_order"):
        low, high = np.moveaxis(getattr(found, f"{name}_interval")[0], 1, 0)
        truth = getattr(reference, name)
        assert ((low - 1e-9 <= truth) & (truth <= high + 1e-9)).all()
        assert np.abs(getattr(found, name)[0] - truth).max() < 0.05
    pairs = ["total_interaction"] + ["second_order", "closed"] * second_order
    for name in pairs:
        assert np.abs((getattr(found, name)[0] - getattr(reference, name))[UPPER]).max() < 0.05
    if not second_order:
        assert found.second_order is None
        assert found.closed is None


def test_estimates_equal_the_textbook_sums():
    design, y = sample(ISHIGAMI, 64)
    found = pick_freeze(design, y, outputs=["y"], resamples=0)
    f = y.reshape(64, 8)
    a, b, ab, ba = f[:, 0], f[:, 1], f[:, 2:5], f[:, 5:]
    variance = found.variance[0]
    centre = np.concatenate([a, b]).mean()
    assert found.mean[0] == pytest.approx(centre)
    assert variance == pytest.approx(np.concatenate([a, b]).var(), rel=0.05)
    for i in range(3):
        one = np.mean((b - centre) * (ab[:, i] - a)), np.mean((a - centre) * (ba[:, i] - b))
        assert found.first_order[0, i] == pytest.approx(np.mean(one) / variance)
        two = np.mean((a - ab[:, i]) ** 2) / 2, np.mean((b - ba[:, i]) ** 2) / 2
        assert found.total_order[0, i] == pytest.approx(np.mean(two) / variance)
        for j in range(i):
            c = f - centre
            ca, cb, cab, cba = c[:, 0], c[:, 1], c[:, 2:5], c[:, 5:]
            closed = np.mean((cab[:, i] * cba[:, j] + cab[:, j] * cba[:, i]) / 2 - ca * cb) / variance
            assert found.closed[0, i, j] == pytest.approx(closed)
            second = closed - found.first_order[0, i] - found.first_order[0, j]
            assert found.second_order[0, j, i] == pytest.approx(second)


@pytest.mark.parametrize("method", ["random", "lhs", "sobol", "halton"])
def test_intervals_cover_the_truth_as_often_as_they_say(method):
    reference, hits = ISHIGAMI, []
    for seed in range(150):
        design, y = sample(reference, 512, method=method, seed=seed)
        found = pick_freeze(design, y, outputs=["y"], resamples=300, seed=seed)
        low, high = np.moveaxis(np.concatenate([found.first_order_interval[0], found.total_order_interval[0]]), 1, 0)
        truth = np.concatenate([reference.first_order, reference.total_order])
        hits.append((low <= truth) & (truth <= high))
    assert 0.92 <= np.mean(hits) <= 0.98
    assert (np.mean(hits, axis=0) >= 0.88).all()  # 95 % less 4 standard errors of 150 repetitions


def test_same_seed_gives_the_same_bits_and_another_stays_within_the_interval():
    first, again, other = (pick_freeze(*sample(ISHIGAMI, 1024, seed=s), outputs=["y"], seed=s) for s in (0, 0, 1))
    for name in ("first_order", "total_order", "first_order_interval", "second_order_interval"):
        assert np.array_equal(getattr(first, name), getattr(again, name), equal_nan=True)
    for name in ("first_order", "total_order"):
        low, high = np.moveaxis(getattr(first, f"{name}_interval")[0], 1, 0)
        moved = getattr(other, name)[0]
        assert not np.array_equal(moved, getattr(first, name)[0])
        assert (np.abs(moved - getattr(first, name)[0]) <= 1.5 * (high - low)).all()


def test_many_outputs_equal_one_at_a_time():
    design, y = sample(ISHIGAMI, 4096)
    values = np.column_stack([y[:, 0], 3 - 2 * y[:, 0], y[:, 0] ** 2, np.exp(0.1 * y[:, 0])])
    together = pick_freeze(design, values, outputs=list("abcd"), resamples=100)
    for q in range(4):
        alone = pick_freeze(design, values[:, q : q + 1], outputs=["y"], resamples=100)
        for name in ("first_order", "total_order_interval", "second_order", "closed_interval", "variance"):
            assert np.allclose(getattr(together, name)[q], getattr(alone, name)[0], equal_nan=True)
    assert np.allclose(together.first_order[0], together.first_order[1])


def test_a_large_offset_does_no_harm():
    design, y = sample(ISHIGAMI, 256)
    near, far = (pick_freeze(design, y + c, outputs=["y"], resamples=0) for c in (0.0, 1e7))
    assert np.allclose(near.total_order, far.total_order, atol=1e-6)
    assert np.allclose(near.second_order, far.second_order, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("value", [0.0, 0.3, -1e9])
@pytest.mark.parametrize("estimator", ["pick_freeze", "assisted"])
def test_constant_output_is_said_and_raises_no_warning(value, estimator):
    design, y = sample(ISHIGAMI, 64)
    values = np.column_stack([y[:, 0], np.full(len(y), value)])
    found = analyse(design, values, outputs=["p", "flat"], estimator=estimator, resamples=20)
    assert found.defined.tolist() == [True, False]
    assert np.isnan(found.first_order[1]).all()
    assert found.variance[1] == 0
    assert found.mean[1] == pytest.approx(value)
    assert not np.isnan(found.first_order[0]).any()
    (status,) = [s for s in found.status if s.code == "constant_output"]
    assert status.level == "error"
    assert "`flat`" in status.message


def test_rarely_changing_output_has_finite_intervals():
    design, _ = sample(ISHIGAMI, 64)
    y = np.ones(design.n_rows)
    y[8 * 5] = 0
    found = pick_freeze(design, y[:, None], outputs=["correct"], resamples=200)
    assert found.defined.all()
    assert np.isfinite(found.first_order_interval).all()


def test_input_without_effect_has_zero_indices():
    design, _ = sample(weld_polynomial(), 256)
    values = design.rows(0, design.n_rows).theta[:, :1]
    found = pick_freeze(design, values, outputs=["y"], resamples=50)
    assert found.total_order[0, 1:].tolist() == [0.0, 0.0]
    assert found.total_order[0, 0] == pytest.approx(1, abs=0.05)


def test_one_input_works():
    space = Space([Parameter(name="x", distribution="uniform", options={"low": 0, "high": 1})])
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=256, second_order=True)
    y = design.rows(0, design.n_rows).theta ** 2
    for estimator in ("pick_freeze", "assisted"):
        found = analyse(design, y, outputs=["y"], estimator=estimator, resamples=20)
        assert found.first_order[0, 0] == pytest.approx(1, abs=0.05)
        assert found.total_order[0, 0] == pytest.approx(1, abs=0.05)


def test_group_index_is_the_closed_index_of_its_members():
    reference = ISHIGAMI
    groups = {"x1 and x3": ["x1", "x3"]}
    design = PickFreezeDesign(inputs=Inputs(space=reference.space), n_base=1024, groups=groups, replicates=1)
    y = reference.function(design.rows(0, design.n_rows).theta)[:, None]
    for estimator in ("pick_freeze", "assisted"):
        found = analyse(design, y, outputs=["y"], estimator=estimator, resamples=20)
        assert found.names == ("x1 and x3", "x2")
        assert found.first_order[0] == pytest.approx([reference.closed[0, 2], reference.first_order[1]], abs=0.03)
        assert found.total_order[0] == pytest.approx(found.first_order[0], abs=0.03)


def test_nan_is_named_with_its_place_in_the_design():
    design, y = sample(ISHIGAMI, 64)
    y[8 * 3 + 2 + 1] = np.nan
    with pytest.raises(NumericalError, match=r"`p` is nan at row 27 \(AB of `x2`, base sample 3\)"):
        pick_freeze(design, y, outputs=["p"])


def test_shapes_that_do_not_match_are_refused():
    design, y = sample(ISHIGAMI, 64)
    with pytest.raises(DataError, match="512 rows"):
        pick_freeze(design, y[:-1], outputs=["p"])
    with pytest.raises(DataError, match="2 outputs are named"):
        pick_freeze(design, y, outputs=["p", "q"])


def test_few_blocks_give_advice():
    found = pick_freeze(*sample(sobol_g((0.0, 0.0, 0.0)), 32), outputs=["y"])
    assert "wide_intervals" in [s.code for s in found.status]


def test_correlated_parameters_are_pointed_out():
    correlation = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    space = Space(ISHIGAMI.space.parameters, correlation)
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=64)
    y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)[:, None]
    assert "correlated_inputs" in [s.code for s in pick_freeze(design, y, outputs=["y"], resamples=0).status]


def test_total_intervals_are_honest_where_few_points_carry_an_input():
    reference, hits = bratley(8), []
    for seed in range(60):  # of x8 one point in a hundred carries half: Student's t alone holds 82 % here, x7 67 %
        design, y = sample(reference, 128, second_order=False, seed=seed)
        found = pick_freeze(design, y, outputs=["y"])
        low, high = np.moveaxis(found.total_order_interval[0], 1, 0)
        hits.append((low <= reference.total_order) & (reference.total_order <= high))
    assert np.mean(hits) > 0.88
    assert np.mean(hits, axis=0).min() > 0.8


def test_total_intervals_hold_zero_where_an_input_does_nothing():
    space = Space([Parameter(name=n, distribution="uniform", options={"low": 0, "high": 1}) for n in "ab"])
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=128)
    y = np.exp(3 * design.rows(0, design.n_rows).theta[:, 0])
    for estimator in ("pick_freeze", "assisted"):
        found = analyse(design, y, outputs=["y"], estimator=estimator)
        low, high = found.total_order_interval[0, 1]
        assert low <= 1e-12
        assert -1e-12 <= high <= 0.05
